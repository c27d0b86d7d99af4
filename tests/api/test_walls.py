"""Network policies follow consent and declarations, foreign objects stay unchanged, broken resources block none."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from freehold.core.model.resources import Object

from tests.api.cluster import APPLY, Cluster, Refused, until
from tests.api.conftest import DEFINITION
from tests.api.shop import FULL, microservice, replicas

pytestmark = pytest.mark.usefixtures("operator")


def reaches(rules: list[Object], side: str) -> set[str]:
    """Return the services that a policy's rules name as peers."""
    named = (peer.get("podSelector", {}).get("matchLabels", {}) for rule in rules for peer in rule.get(side, []))
    return {labels["app.kubernetes.io/instance"] for labels in named if "app.kubernetes.io/instance" in labels}


def walls(cluster: Cluster, namespace: str, name: str) -> tuple[set[str], set[str]]:
    """Return the permitted callers and callees of a service."""
    spec: Any = (cluster.get("NetworkPolicy", namespace, name) or {"spec": {}})["spec"]
    return reaches(spec.get("ingress", []), "from"), reaches(spec.get("egress", []), "to")


def test_walls_consent(cluster: Cluster, home: str) -> None:
    """Consent opens the network policies of both sides, and its withdrawal closes both."""
    sales = cluster.namespace(f"{home[:40]}-sales")
    cluster.create(microservice(home))
    cluster.create(microservice(sales, "payments", consumes=[{"name": "users", "namespace": home}]))
    said = cluster.says(sales, "payments", "DependenciesResolved", "ConsumerNotAllowed")
    assert said["message"] == (
        f"users in namespace {home} admits no consumers from namespace {sales}; "
        f"its owner can add {sales} under spec.grpc.consumers"
    )
    shut, opened = (set(), set()), ({"payments"}, {"users"})

    def both() -> tuple[set[str], set[str]]:
        return walls(cluster, home, "users")[0], walls(cluster, sales, "payments")[1]

    assert both() == shut
    labels = {"matchLabels": {"team": "sales"}}
    consumers: Object = {"from": "Selector", "selector": labels}
    cluster.patch("Microservice", home, "users", {"spec": {"grpc": {"consumers": consumers}}})
    cluster.says(sales, "payments", "DependenciesResolved", "ConsumerNotAllowed")
    cluster.patch("Namespace", "", sales, {"metadata": {"labels": {"team": "sales"}}})
    until(lambda: both() == opened, lambda: f"the namespace's label opens both sides, not {both()}")
    cluster.says(sales, "payments", "DependenciesResolved", "Resolved")
    cluster.patch("Namespace", "", sales, {"metadata": {"labels": {"team": None}}})
    until(lambda: both() == shut, "without the label both sides are shut")
    consumers = {"from": "All", "selector": None}
    cluster.patch("Microservice", home, "users", {"spec": {"grpc": {"consumers": consumers}}})
    until(lambda: both() == opened, "consent opens both sides")
    cluster.patch("Microservice", sales, "payments", {"spec": {"consumes": []}})
    until(lambda: both() == shut, "what is not declared is shut")
    cluster.delete("Microservice", sales, "payments")


THEIRS: Object = {"kind": "Service", "spec": {"ports": [{"port": 80}], "selector": {"app": "theirs"}}}


def test_walls_foreign_object(cluster: Cluster, home: str) -> None:
    """A foreign object of the same name is reported and stays unchanged."""
    theirs = cluster.create({**THEIRS, "metadata": {"name": "users", "namespace": home}})
    cluster.create(microservice(home))
    said = cluster.says(home, "users", "Ready", "NameTaken")
    assert f"Service users exists in namespace {home} and is not Freehold's" in said["message"]
    now = cluster.get("Service", home, "users") or {}
    assert now["metadata"]["resourceVersion"] == theirs["metadata"]["resourceVersion"]
    assert cluster.get("Deployment", home, "users") is None, "no pod starts before its Service and walls are there"
    cluster.delete("Service", home, "users")
    # The operator tries again every half minute; a change of the resource triggers it sooner.
    cluster.patch("Microservice", home, "users", {"metadata": {"annotations": {"look": "again"}}})
    cluster.ready(home)


def test_walls_undeclared_removed(cluster: Cluster, home: str) -> None:
    # With deletionPolicy Delete, data is deleted with the resource, and not by an edit.
    """Objects of capabilities that the spec no longer has are deleted, except those with data."""
    database = {**FULL["database"], "deletionPolicy": "Delete"}
    cluster.create(microservice(home, **{**FULL, "database": database}))
    cluster.create(microservice(home, "payments"))
    cluster.ready(home)
    bystander = {"kind": "ConfigMap", "metadata": {"name": "users-bystander", "namespace": home}, "data": {"a": "b"}}
    cluster.create(bystander)
    gone = {"ConfigMap users-consumes", "PodDisruptionBudget users"}
    assert gone <= cluster.owned(home).keys()
    cluster.patch("Microservice", home, "users", {"spec": {"consumes": [], "replicas": 1}})
    until(lambda: not gone & cluster.owned(home).keys(), "the bindings and the budget are gone")
    assert cluster.get("ConfigMap", home, "users-bystander")
    cluster.patch("Microservice", home, "users", {"spec": {"database": None}})
    databases = {"StatefulSet users-database", "Service users-database", "NetworkPolicy users-database"}
    until(lambda: not databases & cluster.owned(home).keys(), "the server is gone")
    kept = {name for name in cluster.owned(home) if name.startswith(("Secret", "PersistentVolumeClaim"))}
    assert len(kept) == 5, "what holds data is never removed"


def test_walls_outlive_pods(cluster: Cluster, home: str) -> None:
    """Network policies are deleted after the last pod."""
    cluster.create(microservice(home, **{**FULL, "consumes": []}))
    cluster.ready(home)
    policies = {"NetworkPolicy users", "NetworkPolicy users-database", "NetworkPolicy users-database-migrations"}
    assert not any(cluster.owned(home)[name]["metadata"].get("ownerReferences") for name in policies)
    cluster.create(pod(home, "users-1", "service"))
    cluster.create(pod(home, "users-database-0", "database"))

    cluster.patch("Microservice", home, "users", {"spec": {"database": None}})
    until(lambda: "StatefulSet users-database" not in cluster.owned(home), "the server is given up")
    assert policies - {"NetworkPolicy users-database-migrations"} <= cluster.owned(home).keys()
    cluster.request("DELETE", f"/api/v1/namespaces/{home}/pods/users-database-0", {"gracePeriodSeconds": 60})
    cluster.patch("Microservice", home, "users", {"spec": {"replicas": 3}})
    until(lambda: replicas(cluster, home) == 3, "the service was looked at while the pod is ending")
    assert "NetworkPolicy users-database" in cluster.owned(home)
    cluster.request("DELETE", f"/api/v1/namespaces/{home}/pods/users-database-0", {"gracePeriodSeconds": 0})
    until(lambda: "NetworkPolicy users-database" not in cluster.owned(home), "nothing is left to be walled")

    cluster.delete("Microservice", home, "users")
    until(lambda: cluster.get("Microservice", home, "users") is None, "the resource is gone")
    assert "NetworkPolicy users" in cluster.owned(home)
    cluster.request("DELETE", f"/api/v1/namespaces/{home}/pods/users-1", {"gracePeriodSeconds": 0})
    until(lambda: not policies & cluster.owned(home).keys(), "nothing is left to be walled")


def pod(namespace: str, name: str, component: str) -> Object:
    """Return a pod of users on a node without a kubelet, so that its deletion waits."""
    labels = {"app.kubernetes.io/instance": "users", "app.kubernetes.io/component": component}
    metadata = {"name": name, "namespace": namespace, "labels": {**labels, "app.kubernetes.io/managed-by": "freehold"}}
    spec = {"serviceAccountName": "users", "nodeName": "a", "containers": [{"name": "main", "image": "users:1"}]}
    return {"kind": "Pod", "metadata": metadata, "spec": spec}


def lax(definition: Object) -> Object:
    """Return a definition that accepts any spec, as that of another version might."""
    loosened = copy.deepcopy(definition)
    schema = loosened["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["spec"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema.pop("x-kubernetes-validations")
    return loosened


def test_walls_unreadable_resource(cluster: Cluster, home: str) -> None:
    """A resource that does not validate reports InvalidSpec and blocks no other."""
    definition: Object = yaml.safe_load(DEFINITION.read_text())
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{definition['metadata']['name']}"
    cluster.create(microservice(home))
    cluster.ready(home)
    before = cluster.owned(home)
    cluster.request("PUT", path, {**lax(definition), "metadata": cluster.request("GET", path)["metadata"]})
    try:
        bad = {"spec": {"grpc": {"port": "many"}, "replicas": 1000}}
        until(lambda: _taken(cluster, home, bad), "the lax definition is in force")
        said = cluster.says(home, "users", "Ready", "InvalidSpec")
        assert "spec.grpc.port: Input should be a valid integer" in said["message"]
        assert "spec.replicas: Input should be less than or equal to 100" in said["message"]
        assert said["message"].endswith("running objects stay unchanged until the resource is corrected")
        cluster.create(microservice(home, "other"))
        cluster.ready(home, "other")
        now = cluster.owned(home)
        for name, live in before.items():
            assert now[name]["metadata"]["resourceVersion"] == live["metadata"]["resourceVersion"], name
    finally:
        cluster.request("PATCH", path, definition, APPLY, fieldManager="tests", force="true")
        until(cluster.serves, "the resource is served again")
    good = {"spec": {"grpc": {"port": 50051}, "replicas": 1}}
    until(lambda: _taken(cluster, home, good), "it can be corrected")
    cluster.ready(home)


def _taken(cluster: Cluster, namespace: str, edit: Object) -> bool:
    try:
        return bool(cluster.patch("Microservice", namespace, "users", edit))
    except Refused:
        return False
