"""Edited, extended and deleted objects return to their planned content."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from freehold.core.model.resources import Object
from freehold.kube import diff

from tests.api.cluster import Cluster, until
from tests.api.operators import Operator
from tests.api.shop import FULL, microservice

HOME = "drift"


@pytest.fixture(scope="module")
def placed(cluster: Cluster, operator: Operator) -> Iterator[dict[str, Object]]:
    """The objects of a Ready service with at least one of each kind."""
    assert operator.alive()
    cluster.namespace(HOME)
    cluster.create(microservice(HOME, **FULL))
    cluster.create(microservice(HOME, "payments"))
    cluster.ready(HOME)
    cluster.ready(HOME, "payments")
    yield cluster.owned(HOME)
    cluster.delete("Microservice", HOME, "users")


def steady(live: Object) -> Object:
    """Return an object without the API server's counters."""
    counted = ("resourceVersion", "managedFields", "generation", "uid", "creationTimestamp")
    metadata = {key: value for key, value in live["metadata"].items() if key not in counted}
    given = ("clusterIP", "clusterIPs")
    spec = {k: v for k, v in live["spec"].items() if k not in given or v == "None"} if "spec" in live else None
    body = {key: value for key, value in live.items() if key not in ("metadata", "status", "spec", "apiVersion")}
    return {**body, "metadata": metadata, "spec": spec}


def put_right(cluster: Cluster, name: str, before: Object) -> None:
    kind, own = name.split()

    def look() -> bool:
        cluster.run(HOME)
        live = cluster.get(kind, HOME, own)
        mine = live is not None and not diff.foreign({"kind": kind, **live})
        return bool(live and mine and steady({"kind": kind, **live}) == steady(before))

    until(look, lambda: f"{name} is put right; it is {cluster.get(kind, HOME, own)}")


# For each kind: an edited value, a removed field of Freehold's, an added field.
PORT: Object = {"port": 9999, "protocol": "TCP"}
TEMPLATE = {"containers": [{"name": "service", "image": "evil:1"}]}
NETWORK = {"k8s.v1.cni.cncf.io/networks": "other"}
EDITS: list[tuple[str, str, Object]] = [
    ("ServiceAccount users", "edited", {"automountServiceAccountToken": True}),
    ("ServiceAccount users", "taken out", {"automountServiceAccountToken": None}),
    ("Service users", "edited", {"spec": {"selector": {"app.kubernetes.io/instance": "payments"}}}),
    ("Service users", "taken out", {"spec": {"selector": {"app.kubernetes.io/component": None}}}),
    ("Service users", "added", {"spec": {"externalIPs": ["192.0.2.1"]}}),
    ("Secret users-database", "edited", {"data": {"password": "eA=="}}),
    ("Secret users-database-owner", "taken out", {"data": {"password": None}}),
    ("Secret users-database-server", "added", {"data": {"extra": "eA=="}}),
    ("ConfigMap users-consumes", "edited", {"data": {"payments.host": "evil.example"}}),
    ("ConfigMap users-consumes", "taken out", {"data": {"payments.uri": None}}),
    ("ConfigMap users-database-configuration", "added", {"data": {"extra.sql": "SELECT 1"}}),
    ("NetworkPolicy users-database", "edited", {"spec": {"ingress": [{}]}}),
    ("NetworkPolicy users-database", "taken out", {"spec": {"ingress": None}}),
    ("NetworkPolicy users-database", "added", {"spec": {"egress": [{}]}}),
    ("NetworkPolicy users", "edited", {"spec": {"policyTypes": ["Ingress"]}}),
    ("PodDisruptionBudget users", "edited", {"spec": {"maxUnavailable": 2}}),
    ("PodDisruptionBudget users", "edited policy", {"spec": {"unhealthyPodEvictionPolicy": "IfHealthyBudget"}}),
    ("PodDisruptionBudget users", "taken out", {"spec": {"unhealthyPodEvictionPolicy": None}}),
    ("StatefulSet users-database", "edited", {"spec": {"replicas": 0}}),
    ("StatefulSet users-database", "added", {"spec": {"template": {"spec": {"hostNetwork": True}}}}),
    ("Deployment users", "edited", {"spec": {"replicas": 5}}),
    ("Deployment users", "edited in a list", {"spec": {"template": {"spec": TEMPLATE}}}),
    ("Deployment users", "added", {"spec": {"template": {"spec": {"nodeSelector": {"a": "b"}}}}}),
    ("Deployment users", "a label of its pods", {"spec": {"template": {"metadata": {"labels": {"a": "b"}}}}}),
    ("Deployment users", "a further network", {"spec": {"template": {"metadata": {"annotations": NETWORK}}}}),
    ("Deployment users", "its labels", {"metadata": {"labels": {"freehold.dev/capability": "other"}}}),
    ("Service users", "its owner", {"metadata": {"ownerReferences": None}}),
]


@pytest.mark.parametrize(("name", "how", "edit"), EDITS, ids=[f"{name} {how}" for name, how, _ in EDITS])
def test_drift_edited(cluster: Cluster, placed: dict[str, Object], name: str, how: str, edit: Any) -> None:
    """An edited object returns to its planned content."""
    kind, own = name.split()
    edited = cluster.patch(kind, HOME, own, edit, fieldManager="somebody")
    assert steady({"kind": kind, **edited}) != steady(placed[name]), f"{how}: the test itself changes nothing"
    put_right(cluster, name, placed[name])


def comes_back(cluster: Cluster, name: str) -> bool:
    """Whether an object exists; the status of its dependencies is written meanwhile."""
    cluster.run(HOME)
    return cluster.get(name.split()[0], HOME, name.split()[1]) is not None


def test_drift_deleted(cluster: Cluster, placed: dict[str, Object]) -> None:
    """Every deleted object is created again, and Secrets with the passwords of the server; a Job has done its work."""
    job = next(name for name in placed if name.startswith("Job"))
    cluster.delete("Job", HOME, job.split()[1])
    lost = [name for name in placed if " users" in name and not name.startswith("PersistentVolumeClaim")]
    lost.remove(job)
    assert len(lost) == 17
    for name in lost:
        cluster.delete(name.split()[0], HOME, name.split()[1])
        # One after the other, because a lost password is restored from the other Secrets.
        until(partial(comes_back, cluster, name), f"{name} comes back")
    cluster.ready(HOME)
    after = cluster.owned(HOME)
    assert after.keys() == placed.keys() - {job}
    for name in lost:
        if name.split()[0] not in ("StatefulSet", "Secret", "Deployment"):
            put_right(cluster, name, placed[name])
    for role in ("app", "owner"):
        held = placed["Secret users-database-server"]["data"][role]
        assert after["Secret users-database-server"]["data"][role] == held, "the server's Secret knows them again"


def test_drift_restart_annotation_kept(cluster: Cluster, placed: dict[str, Object]) -> None:
    """The annotation of `kubectl rollout restart` is kept."""
    assert placed
    cluster.kubectl("rollout", "restart", "-n", HOME, "deployment/users")
    cluster.patch("Microservice", HOME, "users", {"metadata": {"annotations": {"look": "again"}}})
    cluster.patch("Microservice", HOME, "users", {"spec": {"replicas": 3}})
    until(lambda: (cluster.get("Deployment", HOME, "users") or {})["spec"]["replicas"] == 3, "it is looked at")
    live = cluster.get("Deployment", HOME, "users") or {}
    assert "kubectl.kubernetes.io/restartedAt" in live["spec"]["template"]["metadata"]["annotations"]
