"""Fields that others may own stay; with a further edit as well, which is undone."""

from __future__ import annotations

from typing import Any

from freehold.core.model.resources import Object

from tests.api.cluster import KINDS, Cluster, until
from tests.api.operators import Operator
from tests.api.shop import FULL, microservice, no_more

SPEC: Object = {**FULL, "consumes": []}
LINKED: Object = {"imagePullSecrets": [{"name": "registry"}], "secrets": [{"name": "registry"}]}
ANNOTATED: Object = {"metadata": {"annotations": {"reloader.example/last": "1"}, "labels": {"team": "a"}}}
TEMPLATE: Object = {"spec": {"template": {"metadata": {"annotations": {"reloader.example/last": "1"}}}}}
OF_OTHERS: list[tuple[str, Object]] = [
    ("ServiceAccount users", LINKED),
    ("ServiceAccount users-database", LINKED),
    ("ServiceAccount users", ANNOTATED),
    ("Service users", ANNOTATED),
    ("Secret users-database", ANNOTATED),
    ("NetworkPolicy users", ANNOTATED),
    ("Deployment users", TEMPLATE),
    ("StatefulSet users-database", TEMPLATE),
]
EDITS: list[tuple[str, Object]] = [
    ("ServiceAccount users", {"automountServiceAccountToken": True}),
    ("Service users", {"spec": {"externalIPs": ["192.0.2.1"]}}),
    ("Secret users-database", {"data": {"extra": "eA=="}}),
    ("NetworkPolicy users", {"spec": {"egress": [{}]}}),
    ("Deployment users", {"spec": {"template": {"spec": {"hostNetwork": True}}}}),
    ("StatefulSet users-database", {"spec": {"replicas": 0}}),
]


def get(cluster: Cluster, namespace: str, name: str) -> Object:
    kind, own = name.split()
    return cluster.get(kind, namespace, own) or {}


def holds(live: Any, part: Any) -> bool:
    """Whether an object has the fields of a part with their values."""
    if isinstance(part, dict):
        return isinstance(live, dict) and all(holds(live.get(key), value) for key, value in part.items())
    return bool(live == part)


def test_fields_of_others_stay(cluster: Cluster, operator: Operator, home: str) -> None:
    """Pull Secrets, labels and annotations of others stay and cause no write, also when further edits are undone."""
    assert operator.alive()
    cluster.create(microservice(home, **SPEC))
    cluster.ready(home)
    for name, part in OF_OTHERS:
        cluster.patch(*name.split()[:1], home, *name.split()[1:], part, fieldManager="platform")
    before = {name: get(cluster, home, name)["metadata"]["resourceVersion"] for name, _ in OF_OTHERS}
    cluster.patch("Microservice", home, "users", {"metadata": {"annotations": {"look": "again"}}})
    cluster.create(microservice(home, "later"))
    cluster.ready(home, "later")
    cluster.run(home)
    unwritten = ("ServiceAccount", "Service", "Secret", "NetworkPolicy")  # the status of others is written by the test
    now = {name: get(cluster, home, name)["metadata"]["resourceVersion"] for name, _ in OF_OTHERS}
    assert [name for name in before if now[name] != before[name] and name.startswith(unwritten)] == []
    for name, edit in EDITS:
        cluster.patch(*name.split()[:1], home, *name.split()[1:], edit, fieldManager="somebody")
    for name, edit in EDITS:
        until(lambda name=name, edit=edit: not holds(get(cluster, home, name), edit), f"{name} is put right")
    cluster.ready(home)
    assert [name for name, part in OF_OTHERS if not holds(get(cluster, home, name), part)] == []


def test_fields_of_others_reach_pods(cluster: Cluster, operator: Operator, home: str) -> None:
    """A pod with the service's account gets the pull Secret that is linked to the account."""
    assert operator.alive()
    cluster.create(microservice(home, **SPEC))
    cluster.ready(home)
    for account in ("users", "users-database"):
        cluster.patch("ServiceAccount", home, account, LINKED, fieldManager="platform")
    cluster.create(microservice(home, "later"))
    cluster.ready(home, "later")
    for kind, name in (("Deployment", "users"), ("StatefulSet", "users-database")):
        template = get(cluster, home, f"{kind} {name}")["spec"]["template"]
        pod = {"metadata": {"name": name, "namespace": home}, "spec": template["spec"]}
        made = cluster.request("POST", KINDS["Pod"].path(home), pod, dryRun="All")
        assert made["spec"]["imagePullSecrets"] == LINKED["imagePullSecrets"]


def test_refused_write_prunes_others(cluster: Cluster, operator: Operator, home: str) -> None:
    """Although a Deployment is refused, an unwanted budget is deleted; unwanted network policies stay meanwhile."""
    assert operator.alive()
    cluster.create(microservice(home, **SPEC))
    cluster.ready(home)
    no_more(cluster, home, "count/deployments.apps", 0)
    cluster.delete("Deployment", home, "users")
    assert "exceeded quota" in cluster.says(home, "users", "Ready", "ClusterRefused")["message"]
    cluster.patch("Microservice", home, "users", {"spec": {"replicas": 1, "database": None}})
    until(lambda: cluster.get("PodDisruptionBudget", home, "users") is None, "the budget is deleted")
    until(lambda: cluster.get("StatefulSet", home, "users-database") is None, "the server is deleted")
    assert cluster.get("NetworkPolicy", home, "users-database") is not None
    cluster.request("DELETE", f"/api/v1/namespaces/{home}/resourcequotas/full")
    cluster.patch("Microservice", home, "users", {"metadata": {"annotations": {"look": "again"}}})
    cluster.ready(home)
    until(lambda: cluster.get("NetworkPolicy", home, "users-database") is None, "the policy is deleted")


def test_immutable_object_names_way_out(cluster: Cluster, operator: Operator, home: str) -> None:
    """A refusal for an immutable field names the object to delete, and clears once it is deleted."""
    assert operator.alive()
    cluster.create(microservice(home, consumes=[{"name": "payments"}]))
    cluster.create(microservice(home, "payments"))
    cluster.ready(home)
    cluster.patch("ConfigMap", home, "users-consumes", {"immutable": True}, fieldManager="somebody")
    said = cluster.says(home, "users", "Ready", "ClusterRefused")["message"]
    assert said.endswith("; delete ConfigMap users-consumes; Freehold makes it again as declared"), said
    cluster.delete("ConfigMap", home, "users-consumes")
    cluster.ready(home)
