"""Evaluation of write loads in the stories of moves."""

from __future__ import annotations

from collections import Counter

from tests.e2e.support.write_load import Taken, Writes, overlaps, turns


def rows(*moments: float, takes: float = 0.01) -> list[Taken]:
    return [Taken(moment, moment + takes, f"{moment}@example.org") for moment in moments]


def test_servers_that_take_turns_are_seen_as_such() -> None:
    taken = {"first": rows(1, 2, 5, 6), "second": rows(3, 4)}
    stretches = turns(taken)
    assert [(host, len(listed)) for host, listed in stretches] == [("first", 2), ("second", 2), ("first", 2)]
    assert not overlaps(stretches)


def test_servers_that_are_open_at_once_are_found() -> None:
    assert len(turns({"first": rows(1, 2, 3), "second": rows(1.5, 2.5)})) == 5
    late = {"first": rows(1, takes=2), "second": rows(2)}
    assert len(overlaps(turns(late))) == 1, "the second took a row before the first had acknowledged its last"


def test_a_pause_is_the_longest_gap_in_its_time_beyond_the_usual_one() -> None:
    moments = [0.0, 0.1, 0.2, 0.3, 1.3, 1.4, 9.0]
    writes = Writes([(moment, str(moment)) for moment in moments], len(moments), Counter())
    assert round(writes.pause(0, 2), 3) == 0.9
