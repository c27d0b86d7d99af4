"""Moves between two namespaces or clusters, with a Microservice in each: start, load, and the checks at the end."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.e2e.support import moves
from tests.e2e.support.cluster import Object, Space
from tests.e2e.support.grpc_load import Load
from tests.e2e.support.microservices import users
from tests.e2e.support.moves import move
from tests.e2e.support.write_load import CHECKER, LONGEST, Checker, Taken, Writer, Writes, overlaps, turns

RATE, ROWS = 25, 50
"""Calls a second, and registrations."""
CALM = 3.0
"""Seconds without a move, before and after each move."""
WORST = 3.0
"""The longest permitted pause of writes, in seconds."""
WITHIN = 240
"""Seconds until the move has ended, restarts of killed parties included."""
HELD = {"metadata": {"annotations": {"freehold.dev/move": "Paused"}}}
GOES_ON = {"metadata": {"annotations": {"freehold.dev/move": None}}}
SERVICE = "app.kubernetes.io/instance=users,app.kubernetes.io/component=service,!freehold.dev/probe"


def start_users(here: Space) -> None:
    """Start users with a rollback window of an hour, and the pods that write."""
    moves.start_users(here)
    here.spec("users", placement={"rollbackWindow": "1h"})
    moves.start_writers(here)


def is_past(live: Object, step: str) -> bool:
    """at that step or past it"""
    now = live["status"].get("move", {}).get("step")
    return now in moves.STEPS[moves.STEPS.index(step) :]


class Sides:
    """A move that is paused after its initial copy, with rows that are written here and write attempts at the server
    of each side. goes, takes: the placement of the source and of the destination."""

    def __init__(self, here: Space, there: Space, goes: Object, takes: Object, rows: int = ROWS) -> None:
        self.here, self.there = here, there
        self._writer, self._taken_here = Writer(here, rows, "row"), Checker(here, "here", "database")
        self._taken_there = self._begun(goes, takes)

    def _begun(self, goes: Object, takes: Object) -> Checker:
        """Start the move, pause it, and return the write attempts at the destination."""
        self.there.apply(users(placement=takes))
        self.here.spec("users", placement=goes)
        self.there.until("statefulset/users-database", lambda live: bool(live["spec"]), within=60)
        self.there.patch("microservice/users", HELD)
        self.there.until_condition("users", "Relocated", "Unknown", "MovePaused", within=120)
        # The service's credentials come to the destination with the data; the attempts begin before.
        data = self.here.get("secret/users-database")["data"]
        self.there.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": CHECKER}, "data": data})
        self.there.apply(moves.checker(self.there, CHECKER))
        self.there.kubectl("wait", f"pod/{CHECKER}", "--for=condition=Ready", "--timeout=60s")
        return Checker(self.there, "there", "database")

    def go_on(self) -> None:
        """Resume the move."""
        self.there.patch("microservice/users", GOES_ON)

    def ended(self, stands: Space, *turned: str) -> Writes:
        """Stop the load and check the rows: each is once in the present primary, and the servers accepted rows in the
        given order."""
        writes = self._writer.writes()
        taken = {"here": _only(self._taken_here), "there": _only(self._taken_there)}
        stretches = turns(taken)
        assert [side for side, _ in stretches] == [*turned], "two servers were open at once"
        assert not overlaps(stretches)
        moves.each_once(stands, writes, [row.email for listed in taken.values() for row in listed])
        return writes

    def moved(self) -> None:
        """Wait until the move is complete, and check that no row is lost."""
        for space in (self.there, self.here):
            space.until_condition("users", "Relocated", "True", "Relocated", within=WITHIN)
            space.until_ready("users", within=WITHIN)
        self.ended(self.there, "here", "there")


def _only(checker: Checker) -> list[Taken]:
    (taken,) = checker.taken().values()
    return taken


def calls(here: Space) -> Load:
    """Start calls that look up a registered person."""
    person = here.psql("users", "insert into users (name, email) values ('Ada', 'ada@example.org') returning id")
    return Load(here, person.split()[0], RATE, LONGEST, ("python",))


def there_and_back(sides: Sides, load: Load, once_there: Callable[[], None] = lambda: None) -> None:
    """Move and roll back: no call fails, no row is lost, and writes pause for three seconds at most."""
    here, there = sides.here, sides.there
    time.sleep(CALM)
    since = time.time()
    sides.go_on()
    print(move(here))
    here.gone("pod", "-l", SERVICE)  # from here on only those on the other side can answer
    here.until_ready("users")
    there.until_ready("users")
    time.sleep(CALM)
    once_there()
    until = time.time()
    print(move(here, "--rollback"))
    here.until_ready("users")
    time.sleep(CALM)

    assert load.running(), "the calls ended too early"
    (made,) = load.stopped().values()
    writes = sides.ended(here, "here", "there", "here")
    pauses = writes.pause(since, until), writes.pause(until, time.time())
    print(f"{writes.made} registrations, {made.made} calls; writes paused {pauses[0]:.2f} s and {pauses[1]:.2f} s")
    assert not made.failed, made
    assert not writes.failed, writes.failed
    assert max(pauses) <= WORST
