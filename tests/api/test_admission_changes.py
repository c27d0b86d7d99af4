"""Workloads that admission changes as they are written: the service is Ready, and nothing is written at rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from freehold.core.model.resources import Object

from localcluster.apiserver import ApiServer
from tests.api import operators
from tests.api.cluster import Cluster, until
from tests.api.mutating_webhook import first_container, floor, mirror, mutating, variable
from tests.api.operators import Operator
from tests.api.shop import FULL, microservice
from tests.api.test_provisioning import writes

SPEC: Object = {**FULL, "consumes": []}
ALWAYS, ONCE = ("CREATE", "UPDATE"), ("CREATE",)


@pytest.fixture
def webhook_of(cluster: Cluster, home: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[None]:
    edit, operations = request.param
    with mutating(cluster, home, tmp_path, edit, *operations):
        yield


def looked_at(cluster: Cluster, namespace: str, name: str) -> None:
    """Wake the service, and wait until another one that was created later is Ready."""
    cluster.patch("Microservice", namespace, "users", {"metadata": {"annotations": {"look": name}}})
    cluster.create(
        microservice(namespace, name, resources={"requests": {"cpu": "50m"}}, image="mirror.example/other:1")
    )
    cluster.ready(namespace, name)


def of_users(made: list[str]) -> list[str]:
    """Return the writes of the objects of users, its status excepted."""
    return [write for write in made if "/users" in write and "/microservices/" not in write]


CHANGES = {
    "requests rounded up": (floor, ALWAYS),
    "requests rounded up at creation": (floor, ONCE),
    "another registry": (mirror, ALWAYS),
    "another registry at creation": (mirror, ONCE),
}


@pytest.mark.parametrize("webhook_of", CHANGES.values(), ids=CHANGES, indirect=True)
@pytest.mark.usefixtures("webhook_of")
def test_admission_changes_workloads(cluster: Cluster, server: ApiServer, operator: Operator, home: str) -> None:
    """A service whose workloads admission changes is Ready, and is not written again when it is looked at."""
    assert operator.alive()
    cluster.create(microservice(home, **SPEC))
    cluster.ready(home)
    looked_at(cluster, home, "first")  # the audit log is complete
    before = of_users(writes(server, home))
    looked_at(cluster, home, "second")
    assert of_users(writes(server, home)) == before
    assert cluster.conditions(home, "users")["Ready"]["status"] == "True"


@pytest.mark.parametrize("webhook_of", [(variable, ALWAYS)], ids=["variable"], indirect=True)
@pytest.mark.usefixtures("webhook_of")
def test_admission_adds_variable(cluster: Cluster, operator: Operator, home: str) -> None:
    """A variable that admission adds stays, and one that nobody owns by managedFields is removed."""
    assert operator.alive()
    cluster.create(microservice(home, **SPEC))
    cluster.ready(home)
    looked_at(cluster, home, "first")
    assert cluster.conditions(home, "users")["Ready"]["status"] == "True"
    assert "HTTPS_PROXY" in variables(cluster, home)
    hide_variable(cluster, home)
    until(lambda: "HIDDEN" not in variables(cluster, home), "the hidden variable is removed")
    assert "HTTPS_PROXY" in variables(cluster, home)


def variables(cluster: Cluster, namespace: str) -> list[str]:
    live = cluster.get("Deployment", namespace, "users") or {}
    return [each["name"] for each in first_container(live)["env"]]


def hide_variable(cluster: Cluster, namespace: str) -> None:
    """Add a variable, and remove all field managers."""
    live = cluster.get("Deployment", namespace, "users") or {}
    container = first_container(live)
    container["env"].append({"name": "HIDDEN", "value": "1"})
    spec = {"template": {"spec": {"containers": [container]}}}
    cluster.patch("Deployment", namespace, "users", {"metadata": {"managedFields": [{}]}, "spec": spec})


@pytest.mark.parametrize("webhook_of", [CHANGES["requests rounded up"]], ids=["floor"], indirect=True)
@pytest.mark.usefixtures("webhook_of")
def test_admission_changes_after_restart(cluster: Cluster, home: str, tmp_path: Path) -> None:
    """A new operator writes each changed workload at most once, without an effect, and an edit by hand is put right."""
    log = tmp_path / "log"
    with operators.running(cluster.kubeconfig, log, home):
        cluster.create(microservice(home, **SPEC))
        cluster.ready(home)
        found = cluster.get("Deployment", home, "users") or {}
    log.write_text("")
    with operators.running(cluster.kubeconfig, log, home):
        for name in ("first", "second"):
            looked_at(cluster, home, name)
        written = [line for line in log.read_text().splitlines() if f"{home}/users: write" in line]
        assert len(written) == len({line.partition("write")[2] for line in written}), written
        live = cluster.get("Deployment", home, "users") or {}
        assert live["metadata"]["generation"] == found["metadata"]["generation"]
        cluster.patch("Deployment", home, "users", {"spec": {"paused": True}}, fieldManager="somebody")
        until(lambda: "paused" not in (cluster.get("Deployment", home, "users") or {})["spec"], "it is put right")
        assert cpu(cluster.get("Deployment", home, "users") or {}) == "50m"


def cpu(live: Object) -> str:
    return str(first_container(live)["resources"]["requests"]["cpu"])


@pytest.mark.parametrize("webhook_of", [CHANGES["another registry"]], ids=["mirror"], indirect=True)
@pytest.mark.usefixtures("webhook_of")
def test_admission_writes_registry(cluster: Cluster, home: str, tmp_path: Path) -> None:
    """The serving image is the declared one, whatever registry admission writes, and its contract is read once."""
    with operators.running(cluster.kubeconfig, tmp_path / "log", home, image="operator:1"):
        cluster.create(microservice(home))
        live = until(lambda: cluster.get("Deployment", home, "users"), "the Deployment is placed")
        assert first_container(live)["image"] == "mirror.example/users:1"
        looked_at(cluster, home, "other")
    readers = [live for live in cluster.list("Job", home) if live["metadata"]["name"].startswith("users-contract-")]
    assert len(readers) == 1
