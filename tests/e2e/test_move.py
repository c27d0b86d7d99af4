"""A database moves to another zone and back under load: no call fails, and no row is lost.

Consumers make 30 calls a second of users, and 50 people a second register. A pod with the credentials of users tries
to write to either server directly.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from statistics import median

import pytest

from tests.e2e.support import moves
from tests.e2e.support.cluster import Object, Space, conditions, uids
from tests.e2e.support.grpc_load import Load, declared, start_callers
from tests.e2e.support.microservices import database, front_end, payments, users
from tests.e2e.support.moves import ZONE, move, placed, tried
from tests.e2e.support.storefront_client import forwarded
from tests.e2e.support.write_load import LONGEST, Checker, Writer, overlaps, turns

CONSUMERS = {"go": "payments", "node": "storefront"}
RATE = 15
"""Calls a second of each consumer."""
ROWS = 50
"""Registrations a second."""
MOVES = [pytest.param("bab", id="three"), pytest.param("babab", id="five", marks=pytest.mark.campaign)]
"""The zones to which the database moves, one after the other."""
USUAL, WORST = 1.5, 3.0
"""The longest permitted pause of writes in seconds: for the median of the moves, and for each move. `make bench`
measures the pause; these bounds hold on a machine that is half as fast as well."""
CALM = 3.0
"""Seconds without a move before and after each move, for the usual time between two writes."""
HELD = 5.0
"""Seconds for which a paused move is observed."""
RELOCATED = "Relocated"
INSERT = "insert into users (name, email) values ('{0}', '{0}@example.org')"
NAMES = "select name from users order by name"


@pytest.fixture(scope="module")
def person(yard: Space) -> Iterator[str]:
    """The shop with users in zone a, the pods that call and write, and the id of a registered person."""
    yard.apply(users(placement=placed("a")), payments(), front_end(), declared(("users", "payments")))
    yard.until_ready("users", "payments", "storefront")
    yard.until("configmap/caller-consumes", lambda live: "users.service-config" in live.get("data", {}))
    # A consumer reads the service config at its start: restart those that started before the contract was known.
    for name in CONSUMERS.values():
        yard.kubectl("rollout", "restart", f"deployment/{name}")
    for name in CONSUMERS.values():
        yard.kubectl("rollout", "status", f"deployment/{name}", "--timeout=120s")
    start_callers(yard, ("users", "payments"))
    moves.start_writers(yard)
    with forwarded(yard) as front:
        front.until("/api/users", 200)
        front.until("/api/payments", 200)
        yield front.post("/api/users", {"name": "Ada", "email": "ada@example.org"}).body["user"]["id"]


@pytest.mark.alone
@pytest.mark.parametrize("zones", MOVES)
def test_move_under_load(yard: Space, person: str, zones: str) -> None:
    """Several moves under load lose no call and no row, and writes pause for about a second at most."""
    load = Load(yard, person, RATE, LONGEST, tuple(CONSUMERS))
    writer, checker = Writer(yard, ROWS, "row"), Checker(yard, "check")
    spans = [_moved(yard, zone) for zone in zones]
    assert load.running(), "the calls ended before the moves did"
    calls, writes, taken = load.stopped(), writer.writes(), checker.taken()
    pauses = [writes.pause(*span) for span in spans]
    said = ", ".join(f"{pause:.2f}" for pause in pauses)
    print(f"{writes.made} registrations, {sum(one.made for one in calls.values())} calls; writes paused {said} s")

    assert not any(one.failed for one in calls.values()), calls
    assert not writes.failed, writes.failed
    assert all(one.made > RATE * CALM * len(zones) for one in calls.values()), calls
    moves.each_once(yard, writes, [row.email for listed in taken.values() for row in listed])
    stretches, (first, second) = turns(taken), checker.hosts
    assert [host for host, _ in stretches] == [first, second] * ((len(zones) + 1) // 2), "two servers were open at once"
    assert not overlaps(stretches)
    assert median(pauses) <= USUAL
    assert max(pauses) <= WORST


def test_move_rollback_keeps_rows(yard: Space) -> None:
    """A rollback copies nothing and keeps the rows that were written since the switchover."""
    _alone(yard, "back")
    yard.psql("back", INSERT.format("before"))
    move(yard, "--zone", "b", service="back")
    yard.psql("back", INSERT.format("meanwhile"), moves.primary(yard, "back"))
    status = yard.get("microservice/back")["status"]["move"]
    assert status["from"]["nodeSelector"] == {ZONE: "a"}
    assert status["rollbackUntil"] > status["switchedOverAt"]

    said = move(yard, "--rollback", service="back")

    assert "switched" in said and "copied" not in said, said
    assert moves.zones(yard, "back") == {"a"}
    assert yard.psql("back", NAMES, moves.primary(yard, "back")).split() == ["before", "meanwhile"]
    yard.kubectl("delete", "microservice/back", "--wait=false")


def test_move_paused_and_aborted(yard: Space) -> None:
    """A paused move takes no step, and an aborted move leaves no second server."""
    pod = _alone(yard, "calm")
    held = {"metadata": {"annotations": {"freehold.dev/move": "Paused"}}, "spec": {"placement": placed("b")}}
    yard.patch("microservice/calm", held)
    yard.until_condition("calm", RELOCATED, "Unknown", "MovePaused")
    assert _reasons(yard, "calm", HELD) == {"MovePaused"}

    move(yard, "--abort", service="calm")

    assert "freehold.dev/move" not in yard.get("microservice/calm")["metadata"].get("annotations", {})
    _stayed(yard, "calm", pod)


def test_move_aborted_while_copying(yard: Space) -> None:
    """A move that is aborted during its initial copy leaves no second server."""
    pod = _alone(yard, "hasty")
    move(yard, "--zone", "b", "--no-wait", service="hasty")
    yard.until("microservice/hasty", lambda live: live["status"].get("move", {}).get("step") == "InitialCopy")

    move(yard, "--abort", service="hasty")

    _stayed(yard, "hasty", pod)


def test_move_storage_class(yard: Space) -> None:
    """A move to another storage class keeps the rows."""
    name = f"other-{uuid.uuid4().hex[:5]}"
    yard.cluster.apply(moves.storage_class(name))
    try:
        _alone(yard, "roomy")
        yard.psql("roomy", INSERT.format("before"))
        move(yard, "--class", name, service="roomy")
        server = moves.primary(yard, "roomy")
        claim = yard.get(f"pvc/roomy-{server.replace('database', 'database-data')}")
        assert claim["spec"]["storageClassName"] == name
        assert yard.psql("roomy", NAMES, server) == "before"
        yard.kubectl("delete", "microservice/roomy", "--wait=false")
    finally:
        yard.cluster.kubectl("delete", "storageclass", name)


def test_move_blocked(yard: Space) -> None:
    """A move to an absent storage class is reported as blocked, and can be aborted."""
    pod = _alone(yard, "stuck")
    stopped = tried(yard, "--class", "no-such-class", service="stuck")
    assert stopped.returncode == 1, stopped.stdout
    assert "✗ blocked" in stopped.stdout and "no-such-class" in stopped.stdout, stopped.stdout

    move(yard, "--abort", service="stuck")

    _stayed(yard, "stuck", pod)


def _moved(yard: Space, zone: str) -> tuple[float, float]:
    """Move users to a zone; return start and end, the calm seconds around the move included."""
    since = time.time()
    time.sleep(CALM)
    print(move(yard, "--zone", zone))
    assert moves.zones(yard) == {zone}
    time.sleep(CALM)
    return since, time.time()


def _alone(yard: Space, name: str) -> str:
    """Start a service in zone a; return the UID of its pod."""
    yard.apply(users(name, placement=placed("a"), database=database("users", deletionPolicy="Delete")))
    yard.until_ready(name)
    return str(yard.pods(name)[0]["metadata"]["uid"])


def _stayed(yard: Space, name: str, pod: str) -> None:
    """Assert that a service serves from zone a with the same pod and has no second server; delete the service."""
    yard.until_ready(name)
    yard.until_condition(name, RELOCATED, "True", "AtDestination")
    yard.gone(f"statefulset/{name}-database-2")
    yard.gone(f"pvc/{name}-database-data-2")
    assert moves.zones(yard, name) == {"a"}
    assert uids(yard.pods(name)) == {pod}
    yard.kubectl("delete", f"microservice/{name}", "--wait=false")


def _reasons(yard: Space, name: str, seconds: float) -> set[str]:
    """Return all reasons of the condition during a number of seconds."""
    seen: set[str] = set()

    def never(live: Object) -> bool:
        seen.add(conditions(live)[RELOCATED]["reason"])
        return False

    with suppress(AssertionError):
        yard.until(f"microservice/{name}", never, within=seconds)
    return seen
