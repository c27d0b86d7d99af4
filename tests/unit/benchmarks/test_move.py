"""The figures of moves."""

from __future__ import annotations

from benchmarks.figures import missed
from benchmarks.move import Round, outcome


def rounds(*pauses: float) -> list[Round]:
    return [Round(total=30.0, pause=pause, reported=pause / 2, dump=20.0) for pause in pauses]


def test_move_pause_growth() -> None:
    """A write pause that grows with the data misses the bound."""
    *_, even = outcome({10: rounds(0.2, 0.2, 5.0), 1000: rounds(0.45, 0.5, 0.5)}).figures
    assert (even.name, even.value, even.met) == ("write pause, 1 GB against 10 MB", 0.5, True)
    *_, grown = outcome({10: rounds(0.2), 1000: rounds(0.51)}).figures
    assert not grown.met


def test_move_long_pause() -> None:
    """A long write pause misses the bound at any size."""
    measured = outcome({10: rounds(0.9), 100: rounds(1.1), 1000: rounds(0.9)})
    assert [figure.name for figure in missed([measured])] == ["write pause, 100 MB"]


def test_move_raw() -> None:
    """The outcome contains every round."""
    raw = outcome({10: rounds(0.2, 0.3)}).raw["10 MB"]
    assert [each["pause"] for each in raw] == [0.2, 0.3]
