"""Provisioning in a real API server, from the Microservice to all its objects, and no writes afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from freehold.core.model.resources import Object

from hack import rights
from localcluster.apiserver import ApiServer
from tests.api import operators
from tests.api.cluster import Cluster, until
from tests.api.operators import Operator
from tests.api.shop import FULL, microservice

pytestmark = pytest.mark.usefixtures("operator")
EXPECTED = {
    "ConfigMap users-consumes",
    "ConfigMap users-database-configuration",
    "Deployment users",
    "NetworkPolicy users",
    "NetworkPolicy users-database",
    "NetworkPolicy users-database-migrations",
    "PersistentVolumeClaim users-database-data",
    "PodDisruptionBudget users",
    "Secret users-database",
    "Secret users-database-owner",
    "Secret users-database-server",
    "Secret users-database-tls",
    "Service users",
    "Service users-database",
    "Service users-database-nodes",
    "ServiceAccount users",
    "ServiceAccount users-database",
    "StatefulSet users-database",
}
KEPT = {
    "PersistentVolumeClaim users-database-data",
    "Secret users-database",
    "Secret users-database-owner",
    "Secret users-database-server",
}


def versions(cluster: Cluster, namespace: str) -> dict[str, str]:
    """Return the resourceVersion of every object in a namespace, Microservices included."""
    services = {f"Microservice {live['metadata']['name']}": live for live in cluster.list("Microservice", namespace)}
    found = {**cluster.owned(namespace), **services}
    return {name: live["metadata"]["resourceVersion"] for name, live in found.items()}


def test_provisioning_conditions(cluster: Cluster, home: str) -> None:
    """A service becomes Ready, and its conditions name the cause of each wait."""
    cluster.create(microservice(home, **FULL))
    cluster.says(home, "users", "DatabaseReady", "VolumePending")
    said = {kind: (c["status"], c["reason"]) for kind, c in cluster.conditions(home, "users").items()}
    assert said == {
        "Ready": ("False", "ProviderNotFound"),
        "DependenciesResolved": ("False", "ProviderNotFound"),
        "IsolationEnforced": ("True", "PoliciesApplied"),
        "PathsWithinBudget": ("True", "NoneDeclared"),
        "CredentialsReady": ("True", "InUse"),
        "CertificatesReady": ("True", "Issued"),
        "DatabaseReady": ("Unknown", "VolumePending"),
        "ContractPublished": ("Unknown", "ContractNotRead"),
        "MigrationsApplied": ("Unknown", "WaitingForDatabase"),
        "EndpointReady": ("Unknown", "WaitingForMigrations"),
        "IsolationVerified": ("Unknown", "NotProbedYet"),
    }
    cluster.create(microservice(home, "payments"))
    ready = cluster.ready(home)
    assert ready["message"] == "7 of 7 conditions are met"
    made = set(cluster.owned(home))
    (job,) = {name for name in made if name.startswith("Job users-migrations-")}
    of_payments = {"Deployment payments", "NetworkPolicy payments", "Service payments", "ServiceAccount payments"}
    assert made == EXPECTED | {job} | of_payments
    live = cluster.get("Microservice", home, "users") or {}
    assert live["status"]["binding"] == {"name": "users-database"}
    assert live["status"]["endpoint"] == f"users.{home}.svc:50051"


def test_provisioning_idle(cluster: Cluster, home: str, operator: Operator, tmp_path: Path) -> None:
    """A Ready service causes no write, not even by a new operator."""
    cluster.create(microservice(home, **FULL))
    cluster.create(microservice(home, "payments"))
    cluster.ready(home)
    cluster.ready(home, "payments")
    before = versions(cluster, home)
    cluster.patch("Microservice", home, "users", {"metadata": {"annotations": {"looked": "at"}}})
    cluster.create(microservice(home, "after"))
    cluster.ready(home, "after")
    log = tmp_path / "log"
    with operators.running(cluster.kubeconfig, log, home):
        cluster.create(microservice(home, "later"))
        cluster.ready(home, "later")
    assert operator.alive()
    now = versions(cluster, home)
    changed = {name for name in before if now[name] != before[name]}
    assert changed == {"Microservice users"}, "only the resource the test annotated"
    assert "write" not in "".join(line for line in log.read_text().splitlines(True) if f"{home}/users:" in line)


def writes(server: ApiServer, namespace: str) -> list[str]:
    """Return Freehold's writes in a namespace, by the audit log; creations, which name no object, with a number."""
    entries = map(json.loads, rights.lines([server.audit_log]))
    return [
        f"{entry['verb']} {entry['requestURI'].partition('?')[0]}" + (f" {number}" if entry["verb"] == "create" else "")
        for number, entry in enumerate(entries)
        if entry["userAgent"] != "tests" and entry.get("objectRef", {}).get("namespace") == namespace
    ]


def test_provisioning_number_of_writes(cluster: Cluster, server: ApiServer, home: str) -> None:
    """Each object is written once, with three more writes at most."""
    cluster.create(microservice(home, **{**FULL, "consumes": []}))
    until(lambda: cluster.get("StatefulSet", home, "users-database"), "the server is placed")
    cluster.says(home, "users", "DatabaseReady", "VolumePending")
    placed = cluster.owned(home)

    def objects(made: list[str]) -> set[str]:
        return {write for write in made if "/microservices/" not in write}

    made = until(lambda: len(objects(w := writes(server, home))) >= len(placed) and w, "the record is complete")
    assert len(made) <= len(placed) + 3, made
    said = [event["message"] for event in cluster.request("GET", f"/api/v1/namespaces/{home}/events")["items"]]
    assert len(objects(made)) == len(placed), said


def owners(live: Object) -> list[str]:
    return [owner["kind"] for owner in live["metadata"].get("ownerReferences", [])]


def nobodys(objects: dict[str, Object]) -> set[str]:
    """Return the objects without an owner, except network policies, which outlive the last pod."""
    return {name for name, live in objects.items() if not owners(live) and not name.startswith("NetworkPolicy")}


def test_provisioning_data_retained(cluster: Cluster, home: str) -> None:
    """Volume and credentials outlive the resource, and a new resource uses both."""
    cluster.create(microservice(home, **{**FULL, "consumes": []}))
    cluster.ready(home)
    before = cluster.owned(home)
    assert nobodys(before) == KEPT
    cluster.delete("Microservice", home, "users")
    for name in (name for name, live in before.items() if owners(live)):  # in place of the garbage collector
        cluster.delete(*name.split()[:1], home, *name.split()[1:])
    until(lambda: cluster.owned(home).keys() == KEPT, "the walls go when there is nothing behind them")
    cluster.create(microservice(home, **{**FULL, "consumes": []}))
    cluster.ready(home)
    after = cluster.owned(home)
    for name in KEPT:
        assert after[name]["metadata"]["uid"] == before[name]["metadata"]["uid"], name
        assert after[name].get("data") == before[name].get("data"), name


def test_provisioning_deletion_policy(cluster: Cluster, home: str) -> None:
    """Volume and credentials have an owner only with deletionPolicy Delete."""
    database = {**FULL["database"], "deletionPolicy": "Delete"}
    cluster.create(microservice(home, **{**FULL, "consumes": [], "database": database}))
    cluster.ready(home)
    assert nobodys(cluster.owned(home)) == set()
    cluster.patch("Microservice", home, "users", {"spec": {"database": {"deletionPolicy": "Retain"}}})
    until(lambda: nobodys(cluster.owned(home)) == KEPT, "what holds data is nobody's again")
    cluster.ready(home)


def test_provisioning_migration_before_rollout(cluster: Cluster, home: str) -> None:
    """The migration of a new image succeeds before the first pod of the image starts."""
    cluster.create(microservice(home, **{**FULL, "consumes": []}))
    cluster.ready(home)
    cluster.patch("Microservice", home, "users", {"spec": {"image": "users:2"}})
    cluster.says(home, "users", "MigrationsApplied", "Migrating")
    until(lambda: len([name for name in cluster.owned(home) if name.startswith("Job")]) == 1, "one Job is there")
    live = cluster.get("Deployment", home, "users") or {}
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "users:1"
    cluster.ready(home)
    live = cluster.get("Deployment", home, "users") or {}
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "users:2"


def test_provisioning_namespaces_of_operator(cluster: Cluster, home: str, tmp_path: Path) -> None:
    # Two operators run: the module's for all namespaces, and one for a single namespace.
    """An operator with a list of namespaces reconciles no service elsewhere."""
    cluster.create(microservice(home))
    cluster.ready(home)
    other = cluster.namespace(f"{home}-other")
    log = tmp_path / "log"
    with operators.running(cluster.kubeconfig, log, other):
        cluster.create(microservice(other))
        cluster.ready(other)

        def worked() -> bool:
            # The faster operator restores the Service; after some rounds that is the second.
            if cluster.get("Service", other, "users"):
                cluster.delete("Service", other, "users")
            return f"{other}/users" in log.read_text()

        until(worked, "the operator of that namespace works")
    assert f"watching 0 services in namespaces {other}" in log.read_text()
    assert f"{home}/users" not in log.read_text()


def test_provisioning_fields_removed(cluster: Cluster, home: str) -> None:
    """Resource requests and providers that the spec no longer has are removed from the objects."""
    resources = {"requests": {"cpu": "50m"}, "limits": {"memory": "1Gi"}}
    providers = [{"name": "payments"}, {"name": "invoices"}]
    cluster.create(microservice(home, resources=resources, consumes=providers))
    until(lambda: cluster.get("Deployment", home, "users"), "its pods are declared")
    fewer = {"resources": {"requests": None}, "consumes": providers[:1]}
    cluster.patch("Microservice", home, "users", {"spec": fewer})

    def look() -> bool:
        bindings, pods = cluster.get("ConfigMap", home, "users-consumes"), cluster.get("Deployment", home, "users")
        assert bindings and pods
        (container,) = pods["spec"]["template"]["spec"]["containers"]
        named = {key.partition(".")[0] for key in bindings["data"]}
        set_aside, bounds = container["resources"]["requests"], container["resources"]["limits"]
        return "cpu" not in set_aside and bounds["memory"] == "1Gi" and named == {"payments"}

    until(look, "what was set aside and the address of invoices are gone")
