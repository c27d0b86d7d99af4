"""Passwords in a move of data: the other side learns no more than it needs, and what it learned is changed."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta

import pytest
from freehold.core.model.resources import Key, Ref
from freehold.core.objects import meta

from tests.unit.core.sides import (
    HERE,
    POLICY,
    PROXY,
    SECRET,
    SERVER,
    THERE,
    Sides,
    apart,
    condition,
    destination,
    source,
    staying,
    switchovers,
)
from tests.unit.core.worlds import NOW

ROLES = ("app", "owner", "replicator", "postgres")
BINDING = Ref("Secret", "users-database")


def passwords(two: Sides, key: Key) -> dict[str, str]:
    """Return the passwords in a server's Secret, by role."""
    data = two.objects(key)[SECRET]["data"]
    return {role: base64.b64decode(value).decode() for role, value in data.items()}


def shared(two: Sides, key: Key) -> str:
    return str(two.objects(key)[SECRET]["metadata"].get("annotations", {}).get(meta.SHARED_PASSWORDS, ""))


def next_passwords(two: Sides, word: str) -> None:
    """Make the fresh passwords of the next reconciles differ, from earlier ones and between the sides."""
    for key, seen in two.seen.items():
        fresh = {role: f"{word}-{key.namespace}-{role}" for role in ROLES}
        two.seen[key] = replace(seen, passwords=fresh)


def before_switchover() -> Sides:
    two = apart()
    next_passwords(two, "second")
    two.edit(destination())
    two.edit(source())
    while SERVER not in two.objects(THERE) or PROXY not in two.objects(HERE):
        for key in (THERE, HERE):
            two.reconcile(key)
    assert two.owners() == {"shop"}
    return two


def test_passwords_lent_for_copy() -> None:
    """Before the switchover the destination knows the password for replication alone, and has no binding."""
    two = before_switchover()
    assert passwords(two, THERE) == {"replicator": "first-replicator", "postgres": "second-people-postgres"}
    assert shared(two, HERE) == "replicator"
    assert BINDING not in two.objects(THERE)


def test_passwords_not_recorded() -> None:
    """A password that the source has not recorded as shared is not taken."""
    two = apart()
    two.edit(destination())
    two.edit(source())
    two.reconcile(THERE)
    assert SECRET not in two.objects(THERE)
    assert condition(two, THERE, "CredentialsReady")["reason"] == "WaitingForConsent"


def test_passwords_come_with_data() -> None:
    """After the switchover the destination has the passwords of the data, without a restart of its server."""
    two = before_switchover()
    hashes = set()
    for _ in range(8):
        for key in (THERE, HERE):
            two.reconcile(key)
        hashes.add(two.objects(THERE)[SERVER]["spec"]["template"]["metadata"]["annotations"][meta.CONFIG_HASH])
    two.settle()
    assert two.owners() == {"people"} and switchovers(two) == []
    for key in (HERE, THERE):
        known = passwords(two, key)
        assert (known["app"], known["owner"]) == ("first/app", "first@owner")
        assert shared(two, key) == "app owner replicator"
    assert passwords(two, THERE)["postgres"] == "second-people-postgres"
    assert len(hashes) == 1, "no new pod template"
    assert BINDING in two.objects(THERE)


def test_passwords_renewed_after_abort() -> None:
    """After an abort the password for replication is another, and nothing restarts."""
    two = before_switchover()
    template = two.objects(HERE)[SERVER]["spec"]["template"]
    next_passwords(two, "third")
    two.edit(staying())
    two.settle()
    after = passwords(two, HERE)
    assert after == {
        "app": "first/app",
        "owner": "first@owner",
        "postgres": "first",
        "replicator": "third-shop-replicator",
    }
    assert shared(two, HERE) == ""
    assert two.objects(HERE)[SERVER]["spec"]["template"] == template


def finished() -> Sides:
    """Return both sides after a move, its rollback window, and the end of the source's pods."""
    two = before_switchover()
    two.settle()
    next_passwords(two, "third")
    own = [pod for pod in two.seen[HERE].pods if pod["metadata"]["name"] != "users-x"]
    two.seen = {key: replace(seen, now=NOW + timedelta(hours=2)) for key, seen in two.seen.items()}
    two.seen[HERE] = replace(two.seen[HERE], pods=tuple(own))
    two.settle()
    return two


def test_passwords_after_rollback_window() -> None:
    """After the rollback window the path is closed and the password for replication is another."""
    two = finished()
    assert passwords(two, THERE)["replicator"] == "third-people-replicator"
    assert passwords(two, THERE)["app"] == "first/app"
    assert shared(two, THERE) == "app owner"
    for key, other in ((HERE, "people"), (THERE, "shop")):
        assert other not in str(two.objects(key)[POLICY]["spec"])


@pytest.mark.parametrize("end", ["deleted", "edited"])
def test_passwords_after_move(end: str) -> None:
    """Once neither side refers to the other, replication has another password; that of the service stays, since pods
    take a new one only by a restart."""
    two = finished()
    next_passwords(two, "fourth")
    if end == "deleted":
        del two.services[HERE]
    else:
        two.edit(
            replace(destination(), spec=destination().spec.model_copy(update={"placement": staying().spec.placement}))
        )
    two.settle()
    after = passwords(two, THERE)
    assert (after["app"], after["owner"]) == ("first/app", "first@owner")
    assert after["replicator"] == "third-people-replicator"
    assert shared(two, THERE) == ""
