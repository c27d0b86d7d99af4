"""A service moves to another cluster with its data and comes back: who calls it by the same name loses no call, no row
is lost, and never do both servers take one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.e2e import moving, second
from tests.e2e.callers import Load
from tests.e2e.cluster import Cluster, Space
from tests.e2e.crash import kill, kill_as_it_begins, operator_pod, runs
from tests.e2e.moving import move
from tests.e2e.services import users
from tests.e2e.test_move_database import CALM, GOES_ON, HELD, RATE, ROWS, SERVICE, WITHIN, WORST, is_past, only
from tests.e2e.writing import CHECKER, LONGEST, Checker, Writer, overlaps, turns

pytestmark = pytest.mark.alone

PARTIES = ("operator here", "operator there", "source", "destination", "door", "network")
AWAY = 15
"""Seconds for which the clusters are parted: longer than what moves the data waits for an answer."""
LOST = [
    *((party, step) for party in PARTIES for step in ("CatchingUp", "Switching")),
    ("switch", "Switching"),
    ("destination", "Moved"),
    ("network", "Moved"),
]


@pytest.fixture(scope="module")
def west(cluster: Cluster) -> Iterator[Cluster]:
    with second.beside(cluster) as made:
        yield made


def meet(here: Space, west: Cluster) -> Space:
    """The namespace of the same name there, and each cluster knows the other's."""
    there = Space(west, here.name)
    there.make()
    second.introduce(here, "east", there)
    second.introduce(there, "west", here)
    return there


def begin(here: Space, there: Space) -> Checker:
    """A move that goes on no further than its copy, and somebody there with the rights of users."""
    there.apply(users(placement={"fromCluster": "east"}))
    here.spec("users", placement={"cluster": "west"})
    there.until("statefulset/users-database", lambda live: bool(live["spec"]), within=60)
    there.patch("microservice/users", HELD)
    there.until_condition("users", "Relocated", "Unknown", "MovePaused", within=120)
    there.apply(moving.checker(there))
    there.kubectl("wait", f"pod/{CHECKER}", "--for=condition=Ready", "--timeout=60s")
    return Checker(there, "there", "database")


@pytest.mark.campaign
@pytest.mark.parametrize(("party", "step"), LOST)
def test_whoever_is_lost_it_ends_in_one_place(
    spaces: Callable[..., Space], west: Cluster, party: str, step: str
) -> None:
    here = spaces("shop")
    there = meet(here, west)
    moving.settle(here)
    here.spec("users", placement={"wayBack": "1h"})
    moving.stand(here)
    word = f"{party}-{step}".lower().replace(" ", "-")
    writer, before, after = Writer(here, ROWS // 4, word), Checker(here, word, "database"), begin(here, there)
    there.patch("microservice/users", GOES_ON)

    if party == "switch":
        kill_as_it_begins(moving.switch_pod(there))
    else:
        there.until("microservice/users", lambda live: is_past(live, step), within=120)
        lose(here, there, party)

    for space in (there, here):
        space.until_condition("users", "Relocated", "True", "Moved", within=WITHIN)
        space.until_ready("users", within=WITHIN)
    writes, taken = writer.writes(), {"here": only(before), "there": only(after)}
    stretches = turns(taken)
    assert [side for side, _ in stretches] == ["here", "there"], "two servers were open at once"
    assert not overlaps(stretches)
    moving.each_once(there, writes, [row.email for listed in taken.values() for row in listed])
    there.kubectl("delete", "namespace", there.name, "--wait=false")


def lose(here: Space, there: Space, party: str) -> None:
    """Kill a party of the move, or let the clusters reach each other no more for some seconds."""
    if party == "network":
        with second.parted():
            time.sleep(AWAY)
    elif party.startswith("operator"):
        kill(operator_pod(there if party.endswith("there") else here))
    else:
        name = "users-door-0" if party == "door" else "users-database-0"
        kill((there if party == "destination" else here).until(f"pod/{name}", runs))


def test_the_service_goes_and_comes_back(yard: Space, west: Cluster) -> None:
    there = meet(yard, west)
    moving.settle(yard)
    yard.spec("users", placement={"wayBack": "1h"})
    moving.stand(yard)
    person = yard.psql("users", "insert into users (name, email) values ('Ada', 'ada@example.org') returning id")
    load, writer = Load(yard, person.split()[0], RATE, LONGEST, ("python",)), Writer(yard, ROWS, "row")
    before, after = Checker(yard, "here", "database"), begin(yard, there)
    time.sleep(CALM)

    since = time.time()
    there.patch("microservice/users", GOES_ON)
    print(move(yard))
    yard.gone("pod", "-l", SERVICE)  # from here on only those in the other cluster can answer
    yard.until_ready("users")
    there.until_ready("users")
    time.sleep(CALM)
    until = time.time()
    print(move(yard, "--back"))
    yard.until_ready("users")
    time.sleep(CALM)

    assert load.running(), "the calls ended too early"
    (calls,), writes = load.stopped().values(), writer.writes()
    pauses = writes.pause(since, until), writes.pause(until, time.time())
    taken = {"here": only(before), "there": only(after)}
    print(f"{writes.made} registrations, {calls.made} calls; writes paused {pauses[0]:.2f} s and {pauses[1]:.2f} s")
    assert not calls.failed, calls
    assert not writes.failed
    moving.each_once(yard, writes, [row.email for listed in taken.values() for row in listed])
    stretches = turns(taken)
    assert [side for side, _ in stretches] == ["here", "there", "here"], "two servers were open at once"
    assert not overlaps(stretches)
    assert max(pauses) <= WORST

    there.delete("microservice/users")
    yard.gone("endpointslice/users-abroad")
    yard.until_ready("users")
