"""A service moves to another cluster with its data and back: callers of the same name lose no call, no row is lost,
and the two servers never accept rows at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.support import moves, second_cluster
from tests.e2e.support.cluster import Cluster, Space
from tests.e2e.support.pod_kills import kill, kill_as_it_begins, operator_pod, runs
from tests.e2e.support.two_sided_moves import ROWS, Sides, calls, is_past, start_users, there_and_back

pytestmark = pytest.mark.alone

PARTIES = ("operator here", "operator there", "source", "destination", "proxy", "network")
AWAY = 15
"""Seconds without a network between the clusters: longer than the timeouts of the programs of a move."""
LOST = [
    *((party, step) for party in PARTIES for step in ("CatchingUp", "SwitchingOver")),
    ("switchover", "SwitchingOver"),
    ("destination", "Relocated"),
    ("network", "Relocated"),
]


@pytest.fixture(scope="module")
def west(cluster: Cluster) -> Iterator[Cluster]:
    with second_cluster.beside(cluster) as made:
        yield made


def meet(here: Space, west: Cluster) -> Space:
    """Create the same namespace in the other cluster, and link the two."""
    there = Space(west, here.name)
    there.make()
    second_cluster.link(here, "east", there)
    second_cluster.link(there, "west", here)
    return there


def between(here: Space, there: Space, rows: int = ROWS) -> Sides:
    """Start a move between two clusters."""
    return Sides(here, there, {"cluster": "west"}, {"fromCluster": "east"}, rows)


@pytest.mark.campaign
@pytest.mark.parametrize(("party", "step"), LOST)
def test_move_cluster_party_lost(spaces: Callable[..., Space], west: Cluster, party: str, step: str) -> None:
    """A move between clusters completes with one primary, whichever party is killed or cut off at a step."""
    here = spaces("shop")
    there = meet(here, west)
    start_users(here)
    sides = between(here, there, ROWS // 4)
    sides.go_on()

    if party == "switchover":
        kill_as_it_begins(moves.switchover_pod(there))
    else:
        there.until("microservice/users", lambda live: is_past(live, step), within=120)
        lose(here, there, party)

    sides.moved()
    there.kubectl("delete", "namespace", there.name, "--wait=false")


def lose(here: Space, there: Space, party: str) -> None:
    """Kill a party of the move, or interrupt the network between the clusters for some seconds."""
    if party == "network":
        with second_cluster.parted():
            time.sleep(AWAY)
    elif party.startswith("operator"):
        kill(operator_pod(there if party.endswith("there") else here))
    else:
        name = "users-database-proxy-0" if party == "proxy" else "users-database-0"
        kill((there if party == "destination" else here).until(f"pod/{name}", runs))


def test_move_cluster_and_rollback(yard: Space, west: Cluster) -> None:
    """A move to another cluster and its rollback lose no call and no row."""
    there = meet(yard, west)
    start_users(yard)
    load, sides = calls(yard), between(yard, there)

    def configured() -> None:
        assert "users.service-config" in yard.get("configmap/caller-consumes")["data"], "a new consumer could not start"

    there_and_back(sides, load, configured)

    there.delete("microservice/users")
    yard.gone("endpointslice/users-remote")
    yard.until_ready("users")
