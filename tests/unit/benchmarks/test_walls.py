"""When a wall stands: at the first attempt that found it so, by one clock, and only if it stayed so."""

from __future__ import annotations

import queue

import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.walls import OPEN, SHUT, Turn, Turns, outcome, parsed, settled

HOLD = 0.01


def turns(*found: Turn) -> Turns:
    filled: Turns = queue.SimpleQueue()
    for turn in found:
        filled.put(turn)
    return filled


def test_a_line_is_placed_where_its_attempt_began() -> None:
    assert parsed("shut 0.5000\n", arrived=100.0) == Turn(SHUT, 99.5)


def test_a_door_that_stays_as_wanted_was_so_from_that_turn_on() -> None:
    assert settled(turns(Turn(OPEN, 7.0)), OPEN, hold=HOLD) == 7.0


def test_a_door_that_goes_to_and_fro_counts_from_its_last_turn() -> None:
    assert settled(turns(Turn(OPEN, 7.0), Turn(SHUT, 7.1), Turn(OPEN, 7.6)), OPEN, hold=HOLD) == 7.6


@pytest.mark.parametrize("last", [(), (Turn(OPEN, 7.0), Turn(SHUT, 7.1))])
def test_a_door_that_is_never_as_wanted_is_no_measurement(last: tuple[Turn, ...]) -> None:
    with pytest.raises(BenchmarkError, match="not open"):
        settled(turns(*last), OPEN, patience=3 * HOLD, hold=HOLD)


def test_each_way_is_held_to_the_bound() -> None:
    added, removed = outcome([0.3] * 49 + [2.4], [0.2] * 49 + [4.5]).figures
    assert (added.met, removed.met) == (True, False)
    assert removed.note == "median 0.20 s, longest 4.50 s in 50 changes"
