"""A database moves to another namespace and back under load: no call fails, no row is lost, and the two servers never
accept rows at the same time.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.support import moves
from tests.e2e.support.cluster import Object, Space
from tests.e2e.support.microservices import users
from tests.e2e.support.moves import move
from tests.e2e.support.pod_kills import kill, kill_as_it_begins, operator_pod, runs
from tests.e2e.support.two_sided_moves import ROWS, Sides, calls, is_past, start_users, there_and_back

KILLED = [
    ("operator", "CatchingUp"),
    ("operator", "SwitchingOver"),
    ("source", "CatchingUp"),
    ("source", "SwitchingOver"),
    ("destination", "CatchingUp"),
    ("destination", "SwitchingOver"),
    ("proxy", "CatchingUp"),
    ("proxy", "SwitchingOver"),
    ("switchover", "SwitchingOver"),
    ("destination", "Relocated"),
]


def between(here: Space, there: Space, rows: int = ROWS) -> Sides:
    """Start a move between two namespaces."""
    return Sides(here, there, {"namespace": there.name}, {"from": here.name}, rows)


@pytest.mark.alone
def test_move_database_and_rollback(yard: Space, spaces: Callable[..., Space]) -> None:
    """A move of a database to another namespace and its rollback lose no call and no row."""
    people = spaces("people")
    start_users(yard)
    load, sides = calls(yard), between(yard, people)

    def proxy_deleted() -> None:
        assert not yard.exists("statefulset/users-database-proxy"), "the proxy remains after the end of the move"

    there_and_back(sides, load, proxy_deleted)


@pytest.mark.alone
@pytest.mark.campaign
@pytest.mark.parametrize(("party", "step"), KILLED)
def test_move_database_party_killed(spaces: Callable[..., Space], party: str, step: str) -> None:
    """A move between namespaces completes with one primary, whichever party is killed at a step."""
    shop, people = spaces("shop"), spaces("people")
    start_users(shop)
    sides = between(shop, people, ROWS // 4)
    sides.go_on()

    if step == "SwitchingOver" and party == "switchover":
        kill_as_it_begins(moves.switchover_pod(people))
    else:
        people.until("microservice/users", lambda live: is_past(live, step), within=120)
        kill(_pod(shop, people, party))

    sides.moved()


def _pod(shop: Space, people: Space, party: str) -> Object:
    if party == "operator":
        return operator_pod(shop)
    where = people if party == "destination" else shop
    name = "users-database-proxy-0" if party == "proxy" else "users-database-0"
    return where.until(f"pod/{name}", runs)


def test_move_database_consent_and_abort(yard: Space, spaces: Callable[..., Space]) -> None:
    """The destination creates nothing before the source consents, and deletes its server after an abort."""
    other = spaces("other")
    yard.apply(users("calm"))
    yard.until_ready("calm")
    other.apply(users("calm", placement={"from": yard.name}))
    other.until_condition("calm", "DatabaseReady", "Unknown", "WaitingForConsent")
    assert not other.exists("pvc/calm-database-data")

    yard.spec("calm", placement={"namespace": other.name})
    other.until("statefulset/calm-database", lambda live: bool(live["spec"]))
    move(yard, "--abort", service="calm")

    other.gone("statefulset/calm-database")
    other.gone("pvc/calm-database-data")
    yard.until_ready("calm")
