"""What is made of the rounds of moves."""

from __future__ import annotations

from benchmarks.figures import missed
from benchmarks.move import Round, outcome


def rounds(*pauses: float) -> list[Round]:
    return [Round(total=30.0, pause=pause, said=pause / 2, hand=20.0) for pause in pauses]


def test_a_pause_that_grows_with_the_data_misses_its_bound() -> None:
    *_, even = outcome({10: rounds(0.2, 0.2, 5.0), 1000: rounds(0.45, 0.5, 0.5)}).figures
    assert (even.name, even.value, even.met) == ("pause of 1 GB", 0.5, True)
    *_, grown = outcome({10: rounds(0.2), 1000: rounds(0.51)}).figures
    assert not grown.met


def test_a_long_pause_misses_its_bound_at_any_size() -> None:
    found = outcome({10: rounds(0.9), 100: rounds(1.1), 1000: rounds(0.9)})
    assert [figure.name for figure in missed([found])] == ["writes pause for it, 100 MB"]


def test_every_round_is_kept() -> None:
    kept = outcome({10: rounds(0.2, 0.3)}).raw["10 MB"]
    assert [one["pause"] for one in kept] == [0.2, 0.3]
