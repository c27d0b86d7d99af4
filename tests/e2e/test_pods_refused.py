"""Pods that a quota refuses, whoever creates them: reported within seconds, in the words of the API server."""

from __future__ import annotations

from collections.abc import Callable

from tests.e2e.support.cluster import Object, Space
from tests.e2e.support.microservices import database, users

SOON = 15
"""Seconds from the refusal to the condition."""
LIMITS: Object = {"limits": {"cpu": "500m", "memory": "256Mi"}}


def quota(**hard: str) -> Object:
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "compute"}, "spec": {"hard": hard}}


def test_pods_refused_server(spaces: Callable[..., Space]) -> None:
    """A quota of limits refuses the database's pod; with limits the service is Ready, read and verified."""
    space = spaces("limits")
    # The names of resources have dots.
    space.apply(quota(**{"requests.cpu": "2", "requests.memory": "2Gi", "limits.cpu": "4", "limits.memory": "4Gi"}))
    space.apply(users())
    said = space.until_condition("users", "DatabaseReady", "False", "RefusedByAdmission", within=SOON)
    assert said.startswith('pods are refused: pods "users-database-0" is forbidden: ')
    assert "must specify limits.cpu" in said
    space.until_event("users", "Warning", "RefusedByAdmission")

    space.spec("users", resources=LIMITS, database={**database("users"), "resources": LIMITS})
    space.until_ready("users")
    space.until_condition("users", "ContractPublished", "True", within=180)
    space.until_condition("users", "IsolationVerified", "True", within=120)


def test_pods_refused_migration(spaces: Callable[..., Space]) -> None:
    """A quota that leaves room for the database alone refuses the migration's pod."""
    space = spaces("pods")
    space.apply(quota(pods="1"))
    space.apply(users(grpc={"contract": "None"}))
    space.until_condition("users", "DatabaseReady", "True", within=120)
    said = space.until_condition("users", "MigrationsApplied", "False", "RefusedByAdmission", within=SOON)
    assert "exceeded quota" in said

    space.delete("resourcequota/compute")
    space.until_ready("users")
    space.until_event("users", "Normal", "Ready")


def test_pods_refused_reader_and_probe(spaces: Callable[..., Space]) -> None:
    """A quota without room for the reader and the probe is reported, and does not affect Ready."""
    space = spaces("helpers")
    space.apply(users(grpc={"contract": "None"}))
    space.until_ready("users")
    space.until_condition("users", "IsolationVerified", "True", within=120)
    space.apply(quota(pods="2"))
    space.spec("users", grpc={"contract": None})
    said = space.until_condition("users", "ContractPublished", "False", "RefusedByAdmission", within=SOON)
    assert "exceeded quota" in said and "rollouts are not checked" in said
    space.patch("microservice/users", {"metadata": {"annotations": {"freehold.dev/verify-isolation": "now"}}})
    said = space.until_condition("users", "IsolationVerified", "False", "RefusedByAdmission", within=SOON)
    assert "exceeded quota" in said
    assert space.condition("users", "Ready")["status"] == "True"
