"""Whoever is killed during a move, and whenever, the service ends in one place, whole.

Every party to a move is killed by SIGKILL at each of its steps, while rows are written and somebody tries to write to
both servers. A few of these pairs stand for all in every run; `make campaign` goes through all.
"""

from __future__ import annotations

import pytest

from hack.stage import SYSTEM_NAMESPACE
from tests.e2e.support import moves
from tests.e2e.support.cluster import Object, Space
from tests.e2e.support.moves import OTHER, move, reached
from tests.e2e.support.pod_kills import kill, kill_as_it_begins, operator_pod, runs
from tests.e2e.support.write_load import SEATS, Checker, Writer, overlaps, turns

pytestmark = pytest.mark.alone

ROWS = 25
"""Registrations a second."""
WITHIN = 180
"""Seconds until the move has ended, whoever has to start again."""
STEPS = ("Copying", "CatchingUp", "MovingPods", "reaching", "closing", "Moved")
"""Of the operator, as `status.move` has it; in small letters, those of the switch, as it logs them."""
PARTIES = ("operator", "source", "destination", "door", "switch")
SLICE = {("source", "closing"), ("destination", "closing"), ("switch", "reaching")}
"""The operator is killed after each of its writes in tests/api."""
ABSENT = {("switch", step) for step in STEPS if step != "reaching"}
"""Who is not there at that step, or over before it can be told of: a switch is killed as it begins, and at each of
its steps by tests/move."""
PAIRS = [
    pytest.param(party, step, marks=() if (party, step) in SLICE else pytest.mark.campaign)
    for party in PARTIES
    for step in STEPS
    if (party, step) not in ABSENT
]


@pytest.fixture(scope="module")
def estate(yard: Space) -> Space:
    """users in zone a, a consumer that writes, and one with the rights of users."""
    moves.settle(yard)
    moves.stand(yard)
    return yard


@pytest.mark.parametrize(("party", "step"), PAIRS)
def test_move_party_killed(estate: Space, party: str, step: str) -> None:
    """A move between zones completes with one primary and all rows, whichever party is killed at a step."""
    source = moves.seat(estate)
    (destination,) = set(SEATS) - {source}
    (here,) = moves.zones(estate)
    there = OTHER[here]
    writer, checker = Writer(estate, ROWS, f"{party}-{step}".lower()), Checker(estate, f"{party}-{step}".lower())
    # Whoever is to be killed once the move is over is there for a while; it is over a tenth of a second after closing.
    estate.spec("users", placement={"wayBack": "20s" if step in ("closing", "Moved") else "1s"})
    move(estate, "--to", f"zone={there}", "--no-wait")

    if party == "switch":
        kill_as_it_begins(moves.switch_pod(estate))  # sooner than its first words could be read
    else:
        reached(estate, there, step)
        kill(_pod(estate, party, source, destination))

    taken = moves.ended(estate, there, writer, checker, WITHIN)
    stretches = turns(taken)
    expected = [f"users-{seat}-0.users-database-nodes" for seat in (source, destination)]
    assert [host for host, _ in stretches] == expected, "two servers were open at once"
    assert not overlaps(stretches)
    moves.left(estate, source, within=WITHIN)
    _renew(estate, party)


def _renew(space: Space, party: str) -> None:
    """What was killed makes room for another, whose start the kubelet does not put off the next time."""
    if party == "operator":
        name = _pod(space, party, "", "")["metadata"]["name"]
        space.cluster.kubectl("delete", "pod", name, "-n", SYSTEM_NAMESPACE)
        space.cluster.operator_up()
    if party == "door":
        space.gone("statefulset/users-door", within=WITHIN)


def _pod(space: Space, party: str, source: str, destination: str) -> Object:
    if party == "operator":
        return operator_pod(space)
    names = {"source": f"users-{source}-0", "destination": f"users-{destination}-0", "door": "users-door-0"}
    return space.until(f"pod/{names[party]}", runs)
