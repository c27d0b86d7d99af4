"""What is made of the calls that servers in four languages answered."""

from __future__ import annotations

from benchmarks.extent import FULL
from benchmarks.languages import outcome


def test_the_median_round_counts_for_each_language() -> None:
    taken = {language: [100.0 * number, 300.0, 90.0] for number, language in enumerate(FULL.languages, start=1)}
    found = {figure.name: figure for figure in outcome(taken).figures}
    assert [found[f"calls a second, {language}"].value for language in FULL.languages] == [100.0, 200.0, 300.0, 300.0]
    assert found["calls a second, python"].note.startswith("90 to 300 in 3 rounds")
