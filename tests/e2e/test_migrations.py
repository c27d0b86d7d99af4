"""Migrations gate the rollout: the old version serves until the migration of the new version has succeeded."""

from __future__ import annotations

from typing import Any

from tests.e2e.support.cluster import Object, Space, uids
from tests.e2e.support.microservices import database
from tests.e2e.support.storefront_client import Load, Storefront

COMPLAINT = 'column "amount" contains null values'
FAILING = ["bash", "-c", f"echo '{COMPLAINT}' >&2; exit 1"]
NOTE = "create table if not exists note (text text); insert into note values ('kept')"
ADDS_A_TABLE = [
    "/opt/users/bin/python",
    "-c",
    f'import os, psycopg; psycopg.connect(os.environ["DATABASE_URL"], autocommit=True).execute("{NOTE}")',
]


def test_migrations_failing(shop: Space, storefront: Storefront) -> None:
    """A failing migration keeps the old version serving until a corrected migration succeeds."""
    template, pods = _template(shop), uids(shop.pods("users"))
    with Load(storefront):
        _new_version(shop, FAILING, memory="96Mi")
        said = shop.until_condition("users", "MigrationsApplied", "False", "MigrationFailed")
        warned = shop.until_event("users", "Warning", "MigrationFailed")
        shop.until_condition("users", "Ready", "False", "MigrationFailed")

        assert COMPLAINT in said
        assert "users:dev goes on serving" in said
        assert COMPLAINT in warned
        assert _template(shop) == template
        assert uids(shop.pods("users")) == pods

        _new_version(shop, ADDS_A_TABLE, memory="97Mi")
        shop.until_ready("users")

    assert shop.psql("users", "select text from note") == "kept"
    assert _template(shop)["containers"][0]["resources"]["requests"]["memory"] == "97Mi"
    assert not pods & uids(shop.pods("users"))
    shop.until_event("users", "Normal", "Migrating")


def test_migrations_one_per_version(shop: Space) -> None:
    """The first version's migration runs again on a rollback, is the only Job left, and changes nothing."""
    shop.spec("users", database=database("users"))
    shop.until_ready("users")

    (job,) = shop.find("jobs", "app.kubernetes.io/instance=users,app.kubernetes.io/component=migrations")
    # The migration counts as applied once its container has ended with code 0; the Job controller follows.
    shop.until(f"job/{job['metadata']['name']}", lambda live: live["status"].get("succeeded") == 1, within=15)
    assert shop.psql("users", "select count(*) from schema_migrations") == "1"


def _new_version(shop: Space, migrate: list[str], *, memory: str) -> None:
    """Change the migration and the pod template together, as a new image would."""
    change: dict[str, Any] = {"migrations": {"command": migrate}}
    shop.spec("users", database=change, resources={"requests": {"memory": memory}})


def _template(shop: Space) -> Object:
    found: Object = shop.get("deployment/users")["spec"]["template"]["spec"]
    return found
