"""The operator used every right that the chart grants, over all stories of a run.

The stories here are marked `last`, because the final one judges the API server's audit log of the whole run. The two
others use every right to delete something, and the right to create a Lease.
"""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from hack import rights
from hack.stage import SYSTEM_NAMESPACE
from localcluster import audit
from tests.e2e.support.cluster import LEASE, Cluster, Space
from tests.e2e.support.microservices import SIZE, database, idle, users

pytestmark = [pytest.mark.alone, pytest.mark.last]

KINDS = "serviceaccount,service,configmap,statefulset,deployment,networkpolicy,job,pdb"
LEFT = {"Deployment", "NetworkPolicy", "Service", "ServiceAccount"}
DEFAULT = "storageclass.kubernetes.io/is-default-class"


def test_rights_storage_class_replaced(yard: Space) -> None:
    """A pending volume of an absent storage class is requested again from another class."""
    wanted = {"size": SIZE, "className": f"absent-{yard.name}"}
    yard.apply(idle("consumed"), users("modest", database=database("users", storage=wanted), replicas=2))
    yard.until_condition("modest", "DatabaseReady", "False", "StorageClassMissing")

    yard.spec("modest", database={"storage": {"className": _default_class(yard)}}, consumes=[{"name": "consumed"}])
    yard.until_ready("modest")


def test_rights_unused_objects_removed(yard: Space) -> None:
    """Objects of capabilities that a service gives up are deleted."""
    before = _made(yard)
    assert {kind for kind, _ in before} > LEFT

    yard.spec("modest", database=None, consumes=None, replicas=0)
    yard.until_ready("modest")

    for kind, name in before - {(kind, "modest") for kind in LEFT}:
        yard.gone(f"{kind}/{name}")
    assert _made(yard) == {(kind, "modest") for kind in LEFT}


def test_rights_lease_deleted(cluster: Cluster) -> None:
    """A Lease that somebody deletes is created again."""
    cluster.kubectl("delete", LEASE, "-n", SYSTEM_NAMESPACE)
    cluster.leader()


def test_rights_all_used(cluster: Cluster, shop: Space, begun: datetime, capsys: pytest.CaptureFixture[str]) -> None:
    """The operator used every granted right during the run."""
    log = cluster.stage.audit_log
    if log is None:
        pytest.skip(f"a cluster of kind {cluster.stage.kind} keeps no audit log for us; the local cluster does")
    # Roles that the operator binds in namespaces of services exist only while there is a service.
    shop.until_ready("users")

    requests = audit.requests(rights.lines(audit.files(log)), rights.user(rights.ACCOUNT), begun)
    found = rights.compare(rights.in_cluster(cluster.stage.kubeconfig), requests)

    with capsys.disabled():
        print(f"\n{found}")
    assert not found.unused, str(found)


def _made(yard: Space) -> set[tuple[str, str]]:
    """Return kind and name of the service's objects, without retained data, probes and contracts."""
    mine = "app.kubernetes.io/instance=modest,freehold.dev/capability,freehold.dev/capability notin "
    found = yard.find(KINDS, f"{mine}(verification,contracts)")
    return {(body["kind"], body["metadata"]["name"]) for body in found}


def _default_class(yard: Space) -> str:
    classes = json.loads(yard.cluster.kubectl("get", "storageclass", "-o", "json"))["items"]
    return next(
        str(body["metadata"]["name"])
        for body in classes
        if body["metadata"].get("annotations", {}).get(DEFAULT) == "true"
    )
