"""The operator's rights, by the audit log of a run in which the operator uses every capability."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from freehold.core.model.resources import Object
from freehold.core.objects import meta
from freehold.kube.kinds import HOLDS_DATA

from hack import rights
from hack.stage import grant
from localcluster import audit
from localcluster.apiserver import ApiServer
from tests.api import operators
from tests.api.cluster import Cluster, until
from tests.api.remote_cluster import introduce, register, start
from tests.api.shop import FULL, microservice

EXPOSED: Object = {"port": 50051, "expose": {"gateway": {"name": "public"}, "hostnames": ["users.example.com"]}}
LEFT = {"Deployment users", "NetworkPolicy users", "Service users", "ServiceAccount users"}


@pytest.mark.usefixtures("gateway_api")
def test_rights_granted_and_used(
    server: ApiServer, cluster: Cluster, second: Cluster, as_installed: Path, home: str, tmp_path: Path
) -> None:
    """The operator uses every granted right, and needs no other."""
    cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(grant(home)))
    begun, log = datetime.now(UTC), tmp_path / "log"
    with operators.running(as_installed, log, lease="freehold"):
        live_through(cluster, home)
        move_to_other_cluster(cluster, second, home)

    account = rights.user(rights.ACCOUNT)
    done = list(audit.requests(rights.lines(audit.files(server.audit_log)), account, begun))
    found = rights.compare(rights.in_cluster(cluster.kubeconfig), done)
    # Services of other tests are in namespaces without a grant.
    elsewhere = [request for request in done if request.resource == "secrets" and request.namespace != home]
    refused = [str(request) for request in done if not request.allowed and request not in elsewhere]
    assert not refused
    assert not found.unused, str(found)
    assert not found.used - found.granted, str(found)


def live_through(cluster: Cluster, home: str) -> None:
    """Create a service with every capability, change its storage class before any data, remove all capabilities."""
    cluster.create(microservice(home, "payments"))
    absent = {**FULL["database"], "storage": {"size": "1Gi", "className": "absent"}}
    cluster.create(microservice(home, **{**FULL, "database": absent, "grpc": EXPOSED}))
    cluster.says(home, "users", "DatabaseReady", "StorageClassMissing")
    cluster.patch("Microservice", home, "users", {"spec": {"database": {"storage": {"className": "standard"}}}})
    until(lambda: "deletionTimestamp" in claim(cluster, home)["metadata"], "the volume of the other class is given up")
    # In place of the controller that protects claims.
    cluster.patch("PersistentVolumeClaim", home, "users-database-data", {"metadata": {"finalizers": None}})
    until(lambda: claim(cluster, home)["spec"].get("storageClassName") == "standard", "it is asked for anew")
    cluster.says(home, "users", "Exposed", "WaitingForGateway")
    cluster.patch("Microservice", home, "users", {"spec": {"grpc": {"expose": None}}})
    cluster.ready(home)
    binding = read_binding(cluster, home)
    cluster.patch("Secret", home, "users-database", {"data": {"host": "ZWxzZXdoZXJl"}})
    until(lambda: read_binding(cluster, home) == binding, "the binding is restored")
    cluster.patch("Microservice", home, "users", {"spec": {"database": None, "consumes": None, "replicas": 1}})
    until(lambda: without_data(cluster, home) == LEFT, lambda: f"the rest is gone of {without_data(cluster, home)}")


def move_to_other_cluster(cluster: Cluster, second: Cluster, home: str) -> None:
    """Start a move of a service to another cluster, and abort the move."""
    second.namespace(home)
    second.create({"kind": "ServiceAccount", "metadata": {"name": "payments", "namespace": home}})
    second.create(microservice(home, "payments", placement={"fromCluster": "east"}))
    spec = {"serviceAccountName": "payments", "containers": [{"name": "it", "image": "none"}]}
    start(second, home, "payments-x", meta.selector("payments", meta.SERVICE), spec, "10.2.0.6")
    register(cluster, west=second)
    introduce(cluster, home, "west", second)
    cluster.patch("Microservice", home, "payments", {"spec": {"placement": {"cluster": "west"}}})
    until(lambda: "EndpointSlice payments-remote" in cluster.owned(home), "it is known where its name may lead")
    cluster.patch("Microservice", home, "payments", {"spec": {"placement": None}})
    until(lambda: "EndpointSlice payments-remote" not in cluster.owned(home), "and is of no interest any more")


def read_binding(cluster: Cluster, home: str) -> Object:
    return (cluster.get("Secret", home, "users-database") or {})["data"]


def claim(cluster: Cluster, home: str) -> Object:
    return cluster.get("PersistentVolumeClaim", home, "users-database-data") or {"metadata": {}, "spec": {}}


def without_data(cluster: Cluster, home: str) -> set[str]:
    """Return the service's objects without volume and credentials, which are retained."""
    mine = {
        name: live for name, live in cluster.owned(home).items() if live["metadata"]["labels"][meta.INSTANCE] == "users"
    }
    return {name for name, live in mine.items() if live["kind"] not in HOLDS_DATA}


def test_rights_audit_of_others(server: ApiServer, cluster: Cluster) -> None:
    """Of other users, the audit log has writes alone."""
    cluster.list("Secret", "default")
    cluster.namespace("logged")
    found = list(audit.requests(rights.lines([server.audit_log]), "freehold-administrator"))
    assert {request.verb for request in found} <= audit.WRITES
    assert ("create", "namespaces", "logged") in {(one.verb, one.resource, one.name) for one in found}
