"""The figures of calls to servers in four languages."""

from __future__ import annotations

from benchmarks.extent import FULL
from benchmarks.languages import outcome


def test_languages_median() -> None:
    """The figure of each language is the median of all rounds."""
    rates = {language: [100.0 * n, 300.0, 90.0] for n, language in enumerate(FULL.languages, start=1)}
    figures = {figure.name: figure for figure in outcome(rates).figures}
    assert [figures[f"calls per second, {name}"].value for name in FULL.languages] == [
        100.0,
        200.0,
        300.0,
        300.0,
    ]
    assert figures["calls per second, python"].note.startswith("90 to 300 in 3 rounds")
