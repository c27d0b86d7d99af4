"""A service moves to another cluster with its data and comes back: who calls it by the same name loses no call, no row
is lost, and never do both servers take one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.support import moves, second_cluster
from tests.e2e.support.cluster import Cluster, Space
from tests.e2e.support.pod_kills import kill, kill_as_it_begins, operator_pod, runs
from tests.e2e.support.two_sided_moves import ROWS, Sides, calls, is_past, settle, there_and_back

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
    with second_cluster.beside(cluster) as made:
        yield made


def meet(here: Space, west: Cluster) -> Space:
    """The namespace of the same name there, and each cluster knows the other's."""
    there = Space(west, here.name)
    there.make()
    second_cluster.introduce(here, "east", there)
    second_cluster.introduce(there, "west", here)
    return there


def between(here: Space, there: Space, rows: int = ROWS) -> Sides:
    """Two clusters."""
    return Sides(here, there, {"cluster": "west"}, {"fromCluster": "east"}, rows)


@pytest.mark.campaign
@pytest.mark.parametrize(("party", "step"), LOST)
def test_move_cluster_party_lost(spaces: Callable[..., Space], west: Cluster, party: str, step: str) -> None:
    """A move between clusters completes with one primary, whichever party is killed or cut off at a step."""
    here = spaces("shop")
    there = meet(here, west)
    settle(here)
    sides = between(here, there, ROWS // 4)
    sides.go_on()

    if party == "switch":
        kill_as_it_begins(moves.switch_pod(there))
    else:
        there.until("microservice/users", lambda live: is_past(live, step), within=120)
        lose(here, there, party)

    sides.moved()
    there.kubectl("delete", "namespace", there.name, "--wait=false")


def lose(here: Space, there: Space, party: str) -> None:
    """Kill a party of the move, or let the clusters reach each other no more for some seconds."""
    if party == "network":
        with second_cluster.parted():
            time.sleep(AWAY)
    elif party.startswith("operator"):
        kill(operator_pod(there if party.endswith("there") else here))
    else:
        name = "users-door-0" if party == "door" else "users-database-0"
        kill((there if party == "destination" else here).until(f"pod/{name}", runs))


def test_move_cluster_and_rollback(yard: Space, west: Cluster) -> None:
    """A move to another cluster and its rollback lose no call and no row."""
    there = meet(yard, west)
    settle(yard)
    load, sides = calls(yard), between(yard, there)
    there_and_back(sides, load)

    there.delete("microservice/users")
    yard.gone("endpointslice/users-abroad")
    yard.until_ready("users")
