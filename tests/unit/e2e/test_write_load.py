"""Evaluation of write loads in the stories of moves."""

from __future__ import annotations

from collections import Counter

from tests.e2e.support.write_load import Taken, Writes, overlaps, turns


def rows(*moments: float, takes: float = 0.01) -> list[Taken]:
    return [Taken(moment, moment + takes, f"{moment}@example.org") for moment in moments]


def test_write_load_turns() -> None:
    """Rows of alternating servers form stretches without overlap."""
    taken = {"first": rows(1, 2, 5, 6), "second": rows(3, 4)}
    stretches = turns(taken)
    assert [(host, len(listed)) for host, listed in stretches] == [("first", 2), ("second", 2), ("first", 2)]
    assert not overlaps(stretches)


def test_write_load_overlaps() -> None:
    """Servers that accept rows at the same time are detected."""
    assert len(turns({"first": rows(1, 2, 3), "second": rows(1.5, 2.5)})) == 5
    late = {"first": rows(1, takes=2), "second": rows(2)}
    assert len(overlaps(turns(late))) == 1, "the second server accepted a row before the first acknowledged its last"


def test_write_load_pause() -> None:
    """The pause is the longest gap within the interval, minus the usual gap."""
    moments = [0.0, 0.1, 0.2, 0.3, 1.3, 1.4, 9.0]
    writes = Writes([(moment, str(moment)) for moment in moments], len(moments), Counter())
    assert round(writes.pause(0, 2), 3) == 0.9
