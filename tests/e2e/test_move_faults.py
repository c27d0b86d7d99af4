"""A move completes with one primary and all rows, whichever party is killed and whenever.

Each party of a move gets SIGKILL at each step, while rows are written and a pod tries to write to both servers. A few
of these pairs are part of every run; `make campaign` runs all.
"""

from __future__ import annotations

import pytest

from tests.e2e.support import moves
from tests.e2e.support.cluster import OPERATOR_PODS, Object, Space
from tests.e2e.support.moves import OTHER, move, reached
from tests.e2e.support.pod_kills import kill, kill_as_it_begins, operator_pod, runs
from tests.e2e.support.write_load import SERVERS, Checker, Writer, overlaps, turns

pytestmark = pytest.mark.alone

ROWS = 25
"""Registrations a second."""
WITHIN = 180
"""Seconds until the move has ended, restarts of killed parties included."""
STEPS = ("InitialCopy", "CatchingUp", "MovingPods", "connecting", "fencing", "Relocated")
"""The steps of the operator, as in `status.move`; in small letters the steps of the switchover, as in its log."""
PARTIES = ("operator", "source", "destination", "proxy", "switchover")
SLICE = {("source", "fencing"), ("switchover", "connecting")}
"""The pairs of every run. tests/api kills the operator after each of its writes."""
ABSENT = {("switchover", step) for step in STEPS if step != "connecting"}
"""Pairs that cannot be tried here: the switchover has ended before a step is reported. It is killed at its start, and
at each of its steps in tests/move."""
PAIRS = [
    pytest.param(party, step, marks=() if (party, step) in SLICE else pytest.mark.campaign)
    for party in PARTIES
    for step in STEPS
    if (party, step) not in ABSENT
]


@pytest.fixture(scope="module")
def estate(yard: Space) -> Space:
    """users in zone a, a consumer that writes, and a pod with the credentials of users."""
    moves.start_users(yard)
    moves.start_writers(yard)
    return yard


@pytest.mark.parametrize(("party", "step"), PAIRS)
def test_move_party_killed(estate: Space, party: str, step: str) -> None:
    """A move between zones completes with one primary and all rows, whichever party is killed at a step."""
    source = moves.primary(estate)
    (destination,) = set(SERVERS) - {source}
    (here,) = moves.zones(estate)
    there = OTHER[here]
    writer, checker = Writer(estate, ROWS, f"{party}-{step}".lower()), Checker(estate, f"{party}-{step}".lower())
    # A party that is killed after the move must exist for a while; the move ends a tenth of a second after fencing.
    estate.spec("users", placement={"rollbackWindow": "20s" if step in ("fencing", "Relocated") else "1s"})
    move(estate, "--zone", there, "--no-wait")

    if party == "switchover":
        kill_as_it_begins(moves.switchover_pod(estate))  # before its first log line
    else:
        reached(estate, there, step)
        kill(_pod(estate, party, source, destination))

    taken = moves.ended(estate, there, writer, checker, WITHIN)
    stretches = turns(taken)
    expected = [f"users-{server}-0.users-database-nodes" for server in (source, destination)]
    assert [host for host, _ in stretches] == expected, "two servers were open at once"
    assert not overlaps(stretches)
    moves.until_deleted(estate, source, within=WITHIN)
    _renew(estate, party)


def _renew(space: Space, party: str) -> None:
    """Replace the pods of a killed party, since the kubelet delays the next restart of a pod that crashed."""
    if party == "operator":
        space.cluster.kubectl("delete", "pods", *OPERATOR_PODS)
        space.cluster.operator_up()
    if party == "proxy":
        space.gone("statefulset/users-database-proxy", within=WITHIN)


def _pod(space: Space, party: str, source: str, destination: str) -> Object:
    if party == "operator":
        return operator_pod(space)
    names = {"source": f"users-{source}-0", "destination": f"users-{destination}-0", "proxy": "users-database-proxy-0"}
    return space.until(f"pod/{names[party]}", runs)
