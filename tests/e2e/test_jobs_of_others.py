"""Jobs where the platform has its own ideas: containers that are injected, Jobs that are removed, quotas of limits."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.e2e.support.cluster import Object, Space, conditions
from tests.e2e.support.microservices import IMAGES, users
from tests.e2e.support.pod_mutation import mutated

MIGRATIONS = "app.kubernetes.io/component=migrations"
AGENT = "agent"
LIMITS = {"limits": {"cpu": "250m", "memory": "256Mi"}}
WATCHED_SECONDS = 30


@pytest.mark.parametrize("position", ["last", "first"])
def test_jobs_with_an_injected_container(spaces: Callable[..., Space], position: str) -> None:
    """A container that is injected and never ends keeps no migration, contract or proof of isolation from counting."""
    hooks, yard = spaces("hooks"), spaces(f"injected-{position}")
    with mutated(hooks, yard, position):
        yard.apply(users())
        yard.until_condition("users", "MigrationsApplied", "True", "Applied", within=120)
        yard.until_condition("users", "ContractPublished", "True", "Published", within=90)
        yard.until_ready("users")
        yard.until_condition("users", "IsolationVerified", "True", "Verified", within=150)
        (pod,) = yard.pods("users")
        assert AGENT in {container["name"] for container in pod["spec"]["containers"]}
        assert yard.get("microservice/users")["status"]["contract"]["image"] == IMAGES["users"]
        yard.gone("jobs", "-l", MIGRATIONS)
        yard.spec("users", database={"migrations": {"command": ["false"]}})
        yard.until_condition("users", "MigrationsApplied", "False", "MigrationFailed")


def test_jobs_removed_after_their_end(spaces: Callable[..., Space]) -> None:
    """A migration whose Job is removed is not run again, and Ready does not waver."""
    hooks, yard = spaces("hooks"), spaces("removed")
    with mutated(hooks, yard, "ttl"):
        yard.apply(users())
        yard.until_ready("users")
        yard.gone("jobs", "-l", MIGRATIONS)
        yard.until_condition("users", "IsolationVerified", "True", "Verified", within=150)  # the last part of Ready
        before = _ready(yard)
        begun = time.monotonic()
        while time.monotonic() < begun + WATCHED_SECONDS:
            assert not yard.find("jobs,pods", MIGRATIONS)
            time.sleep(1)
        assert _ready(yard) == before
        assert yard.get("microservice/users")["status"]["migrations"]["image"] == IMAGES["users"]


def test_jobs_under_a_quota_of_limits(spaces: Callable[..., Space]) -> None:
    """A quota that demands limits of every container admits the pods of Freehold's Jobs."""
    yard = spaces("quota")
    hard = {"requests.cpu": "2", "requests.memory": "2Gi", "limits.cpu": "4", "limits.memory": "4Gi"}
    yard.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "compute"}, "spec": {"hard": hard}})
    spec = users()["spec"]
    yard.apply(users(resources=LIMITS, database={**spec["database"], "resources": LIMITS}))
    yard.until_ready("users")
    yard.until_condition("users", "ContractPublished", "True", "Published", within=90)
    yard.until_condition("users", "IsolationVerified", "True", "Verified", within=150)


def _ready(yard: Space) -> Object:
    return conditions(yard.get("microservice/users"))["Ready"]
