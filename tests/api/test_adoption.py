"""Foreign objects with the names of planned objects are never adopted: the name is reported, and nothing changes."""

from __future__ import annotations

import pytest
from freehold.core.model.resources import Object

from tests.api.cluster import Cluster, until
from tests.api.shop import FULL, microservice

pytestmark = pytest.mark.usefixtures("operator")
ALL: Object = {**FULL, "grpc": {"port": 50051, "tls": "Mutual"}}
"""A spec that needs every object of a service."""
NAMES = {
    "ConfigMap": ["users-consumers", "users-consumes", "users-database-configuration"],
    "Deployment": ["users"],
    "NetworkPolicy": ["users", "users-database", "users-database-migrations"],
    "PersistentVolumeClaim": ["users-database-data"],
    "PodDisruptionBudget": ["users"],
    "Secret": [
        "users-database",
        "users-database-owner",
        "users-database-server",
        "users-database-tls",
        "users-identity",
    ],
    "Service": ["users", "users-database", "users-database-nodes"],
    "ServiceAccount": ["users", "users-database"],
    "StatefulSet": ["users-database"],
}
PODS: Object = {
    "metadata": {"labels": {"app": "theirs"}},
    "spec": {"restartPolicy": "Always", "containers": [{"name": "theirs", "image": "theirs:1"}]},
}
CHOSEN: Object = {"matchLabels": {"app": "theirs"}}
THEIRS: dict[str, Object] = {
    "ConfigMap": {"data": {"pg_hba.conf": "theirs"}},
    "Deployment": {"spec": {"selector": CHOSEN, "template": PODS}},
    "Job": {"spec": {"template": {**PODS, "spec": {**PODS["spec"], "restartPolicy": "Never"}}}},
    "NetworkPolicy": {"spec": {"podSelector": CHOSEN, "ingress": [{}], "policyTypes": ["Ingress"]}},
    "PersistentVolumeClaim": {
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    },
    "PodDisruptionBudget": {"spec": {"selector": CHOSEN, "maxUnavailable": 0}},
    "Secret": {"data": {"password": "dGhlaXJz", "app": "dGhlaXJz"}},
    "Service": {"spec": {"ports": [{"port": 80}], "selector": {"app": "theirs"}}},
    "ServiceAccount": {"automountServiceAccountToken": True},
    "StatefulSet": {"spec": {"selector": CHOSEN, "serviceName": "theirs", "template": PODS}},
}
"""The content of a foreign object of each kind."""


def test_adoption_kinds_complete(cluster: Cluster, home: str) -> None:
    """The parameters cover every kind and name of a service's objects."""
    _declare(cluster, home)
    made = {tuple(name.split()) for name in cluster.owned(home) if " payments" not in name and "Job" not in name}
    assert made == {(kind, name) for kind, names in NAMES.items() for name in names}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in NAMES.items() for name in names])
def test_adoption_name_taken(cluster: Cluster, home: str, kind: str, name: str) -> None:
    """A foreign object with the name of a planned object is reported and stays unchanged, whatever its kind."""
    theirs = _theirs(cluster, home, kind, name)
    cluster.create(microservice(home, "payments"))
    cluster.create(microservice(home, **ALL))

    _is_said(cluster, home, kind, name)
    _is_theirs(cluster, theirs)
    if kind not in ("Deployment", "StatefulSet"):
        running = ("Deployment users", "StatefulSet users-database")
        assert not set(running) & cluster.owned(home).keys(), "no pod starts while what it stands on is not there"

    _make_room(cluster, home, kind, name)
    cluster.ready(home)
    assert f"{kind} {name}" in cluster.owned(home)


def test_adoption_job_name_taken(cluster: Cluster, home: str) -> None:
    """A foreign Job with the name of the migration Job is reported and stays unchanged.

    The name is a hash of image, command and volume, so that the volume must exist before the name is known.
    """
    _declare(cluster, home)
    (job,) = [
        live["metadata"]["name"] for live in cluster.list("Job", home) if "-migrations-" in live["metadata"]["name"]
    ]
    cluster.delete("Microservice", home, "users")
    # Events arrive in order: once this resource is observed, the deletion of the other is known too.
    cluster.create(microservice(home, "later"))
    until(lambda: cluster.get("NetworkPolicy", home, "later"), "the next resource is seen")
    _collect_garbage(cluster, home, "users")
    theirs = _theirs(cluster, home, "Job", job)
    cluster.create(microservice(home, **ALL))

    _is_said(cluster, home, "Job", job)
    _is_theirs(cluster, theirs)
    assert "Deployment users" not in cluster.owned(home), "nobody knows whether its schema is in"

    _make_room(cluster, home, "Job", job)
    cluster.ready(home)


def _declare(cluster: Cluster, home: str) -> None:
    cluster.create(microservice(home, "payments"))
    cluster.create(microservice(home, **ALL))
    cluster.ready(home)


def _collect_garbage(cluster: Cluster, home: str, service: str) -> None:
    """Delete the objects that a service owned, in place of the garbage collector; the volume stays."""

    def owned() -> list[Object]:
        made = cluster.owned(home).values()
        return [live for live in made if live["metadata"].get("ownerReferences", [{}])[0].get("name") == service]

    for live in owned():
        cluster.delete(live["kind"], home, live["metadata"]["name"])
    until(lambda: not owned(), lambda: f"all is gone, not left: {[live['kind'] for live in owned()]}")


def _theirs(cluster: Cluster, home: str, kind: str, name: str) -> Object:
    return {
        "kind": kind,
        **cluster.create({"kind": kind, "metadata": {"name": name, "namespace": home}, **THEIRS[kind]}),
    }


def _is_said(cluster: Cluster, home: str, kind: str, name: str) -> None:
    def look() -> Object | None:
        cluster.run(home)
        found = cluster.conditions(home, "users").get("Ready", {})
        return found if found.get("reason") == "NameTaken" else None

    said = until(look, lambda: f"users says that {kind} {name} is taken, not {cluster.conditions(home, 'users')}")
    assert f"{kind} {name} exists in namespace {home} and is not Freehold's" in said["message"]


def _is_theirs(cluster: Cluster, theirs: Object) -> None:
    """Assert that a foreign object is unchanged, except for the status, which the test writes."""
    metadata = theirs["metadata"]
    now = cluster.get(theirs["kind"], metadata["namespace"], metadata["name"]) or {}
    assert _content(now) == _content(theirs)
    assert {entry["manager"] for entry in now["metadata"]["managedFields"]} == {"tests"}


def _content(live: Object) -> Object:
    metadata = {k: v for k, v in live["metadata"].items() if k not in ("managedFields", "resourceVersion")}
    return {**{k: v for k, v in live.items() if k not in ("kind", "apiVersion", "status")}, "metadata": metadata}


def _make_room(cluster: Cluster, home: str, kind: str, name: str) -> None:
    cluster.delete(kind, home, name)
    if kind == "PersistentVolumeClaim":  # no controller removes the protection
        cluster.patch(kind, home, name, {"metadata": {"finalizers": None}})
    # The operator tries again every half minute; a change of the resource triggers it sooner.
    cluster.patch("Microservice", home, "users", {"metadata": {"annotations": {"look": "again"}}})
