"""A database moves to another namespace and back while it is read and written: nobody's call fails, no row is lost, and
never do both servers take one.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.e2e import moving
from tests.e2e.callers import Load
from tests.e2e.cluster import Object, Space
from tests.e2e.crash import kill, kill_as_it_begins, operator_pod, runs
from tests.e2e.moving import move
from tests.e2e.services import users
from tests.e2e.writing import CHECKER, LONGEST, Checker, Taken, Writer, overlaps, turns

pytestmark = pytest.mark.alone

RATE, ROWS = 50, 100
"""Calls a second, and registrations."""
CALM = 5.0
"""Seconds of ordinary life around each move."""
WORST = 2.0
"""Seconds that writes may pause."""
HELD = {"metadata": {"annotations": {"freehold.dev/move": "Paused"}}}
GOES_ON = {"metadata": {"annotations": {"freehold.dev/move": None}}}
WITHIN = 240
"""Seconds until the move has ended, whoever has to start again."""
KILLED = [
    ("operator", "CatchingUp"),
    ("operator", "Switching"),
    ("source", "CatchingUp"),
    ("source", "Switching"),
    ("destination", "CatchingUp"),
    ("destination", "Switching"),
    ("door", "CatchingUp"),
    ("door", "Switching"),
    ("switch", "Switching"),
    ("destination", "Moved"),
]
SERVICE = "app.kubernetes.io/instance=users,app.kubernetes.io/component=service,!freehold.dev/probe"


def begin(shop: Space, people: Space) -> Checker:
    """A move that goes on no further than its copy, and somebody there with the rights of users."""
    people.apply(users(placement={"from": shop.name}))
    shop.spec("users", placement={"namespace": people.name})
    people.until("statefulset/users-database", lambda live: bool(live["spec"]), within=60)
    people.patch("microservice/users", HELD)
    people.until_condition("users", "Relocated", "Unknown", "MovePaused", within=120)
    people.apply(moving.checker(people))
    people.kubectl("wait", f"pod/{CHECKER}", "--for=condition=Ready", "--timeout=60s")
    return Checker(people, "there", "database")


def test_the_data_goes_and_comes_back(yard: Space, spaces: Callable[..., Space]) -> None:
    people = spaces("people")
    moving.settle(yard)
    yard.spec("users", placement={"wayBack": "1h"})
    moving.stand(yard)
    person = yard.psql("users", "insert into users (name, email) values ('Ada', 'ada@example.org') returning id")
    load, writer = Load(yard, person.split()[0], RATE, LONGEST, ("python",)), Writer(yard, ROWS, "row")
    here, there = Checker(yard, "here", "database"), begin(yard, people)
    time.sleep(CALM)

    since = time.time()
    people.patch("microservice/users", GOES_ON)
    print(move(yard))
    yard.gone("pod", "-l", SERVICE)  # from here on only those in the other namespace can answer
    yard.until_ready("users")
    people.until_ready("users")
    time.sleep(CALM)
    assert not yard.exists("statefulset/users-door"), "nobody needs the door any more"
    until = time.time()
    print(move(yard, "--back"))
    yard.until_ready("users")
    time.sleep(CALM)

    assert load.running(), "the calls ended too early"
    (calls,), writes = load.stopped().values(), writer.writes()
    pauses = writes.pause(since, until), writes.pause(until, time.time())
    taken = {"here": only(here), "there": only(there)}
    print(f"{writes.made} registrations, {calls.made} calls; writes paused {pauses[0]:.2f} s and {pauses[1]:.2f} s")
    assert not calls.failed, calls
    assert not writes.failed
    moving.each_once(yard, writes, [row.email for listed in taken.values() for row in listed])
    stretches = turns(taken)
    assert [side for side, _ in stretches] == ["here", "there", "here"], "two servers were open at once"
    assert not overlaps(stretches)
    assert max(pauses) <= WORST


@pytest.mark.campaign
@pytest.mark.parametrize(("party", "step"), KILLED)
def test_whoever_is_killed_it_ends_in_one_place(spaces: Callable[..., Space], party: str, step: str) -> None:
    shop, people = spaces("shop"), spaces("people")
    moving.settle(shop)
    shop.spec("users", placement={"wayBack": "1h"})
    moving.stand(shop)
    word = f"{party}-{step}".lower()
    writer, here, there = Writer(shop, ROWS // 4, word), Checker(shop, word, "database"), begin(shop, people)
    people.patch("microservice/users", GOES_ON)

    if step == "Switching" and party == "switch":
        kill_as_it_begins(moving.switch_pod(people))
    else:
        people.until("microservice/users", lambda live: is_past(live, step), within=120)
        kill(_pod(shop, people, party))

    for space in (people, shop):
        space.until_condition("users", "Relocated", "True", "Moved", within=WITHIN)
        space.until_ready("users", within=WITHIN)
    writes, taken = writer.writes(), {"here": only(here), "there": only(there)}
    stretches = turns(taken)
    assert [side for side, _ in stretches] == ["here", "there"], "two servers were open at once"
    assert not overlaps(stretches)
    moving.each_once(people, writes, [row.email for listed in taken.values() for row in listed])


def is_past(live: Object, step: str) -> bool:
    """at that step, or just past one that took no time"""
    now = live["status"].get("move", {}).get("step")
    return now in moving.STEPS[moving.STEPS.index(step) :]


def _pod(shop: Space, people: Space, party: str) -> Object:
    if party == "operator":
        return operator_pod(shop)
    where = people if party == "destination" else shop
    name = "users-door-0" if party == "door" else "users-database-0"
    return where.until(f"pod/{name}", runs)


def test_who_takes_over_begins_with_nothing_and_leaves_what_was_taken_back(
    yard: Space, spaces: Callable[..., Space]
) -> None:
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


def only(checker: Checker) -> list[Taken]:
    (taken,) = checker.taken().values()
    return taken
