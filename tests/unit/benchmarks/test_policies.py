"""Times of enforced network policies, from the transitions of a port."""

from __future__ import annotations

import queue

import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.policies import CLOSED, OPEN, Transition, Transitions, outcome, parsed, settled

HOLD = 0.01


def queued(*transitions: Transition) -> Transitions:
    filled: Transitions = queue.SimpleQueue()
    for transition in transitions:
        filled.put(transition)
    return filled


def test_policies_parsed() -> None:
    """The time of a line is the start of the attempt."""
    assert parsed("closed 0.5000\n", arrived=100.0) == Transition(CLOSED, 99.5)


def test_policies_settled() -> None:
    """A lasting state counts from its transition."""
    assert settled(queued(Transition(OPEN, 7.0)), OPEN, hold=HOLD) == 7.0


def test_policies_settled_flapping() -> None:
    """A flapping state counts from the last transition."""
    transitions = queued(Transition(OPEN, 7.0), Transition(CLOSED, 7.1), Transition(OPEN, 7.6))
    assert settled(transitions, OPEN, hold=HOLD) == 7.6


@pytest.mark.parametrize("last", [(), (Transition(OPEN, 7.0), Transition(CLOSED, 7.1))])
def test_policies_never_settled(last: tuple[Transition, ...]) -> None:
    """A port that does not keep the wanted state raises an error."""
    with pytest.raises(BenchmarkError, match="not open"):
        settled(queued(*last), OPEN, patience=3 * HOLD, hold=HOLD)


def test_policies_bounds() -> None:
    """Additions and removals have the same bound."""
    added, removed = outcome([0.3] * 49 + [2.4], [0.2] * 49 + [4.5]).figures
    assert (added.met, removed.met) == (True, False)
    assert removed.note == "median 0.20 s, longest 4.50 s in 50 changes"
