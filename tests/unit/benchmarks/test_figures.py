"""Bounds of figures, and figures as a table and as JSON."""

from __future__ import annotations

import pytest

from benchmarks.figures import Figure, Outcome, as_json, missed, number, p99, pairwise_ratio, table

MET = Figure("ratio", 1.1, "", 1.1)
MISSED = Figure("memory", 150.01, "kB", 150.0, "each")
UNBOUND = Figure("time", 12.5, "s")
OUTCOMES = [Outcome("first", (MET, UNBOUND)), Outcome("second", (MISSED,), {"full": 1})]


def test_figures_missed() -> None:
    """A value above the bound misses the bound; an equal value does not."""
    assert missed(OUTCOMES) == [MISSED]


def test_figures_table() -> None:
    """The table has a line for each figure and marks missed bounds."""
    head, *lines = table(OUTCOMES).splitlines()
    assert head.split() == ["FIGURE", "VALUE", "AT", "MOST", "NOTE"]
    assert [line.split() for line in lines] == [
        ["ratio", "1.10", "1.10", "✓"],
        ["time", "12.50", "s"],
        ["memory", "150.0", "kB", "150.0", "✗", "each"],
    ]


def test_figures_json() -> None:
    """The JSON contains the result of each bound and all single measurements."""
    second = as_json(OUTCOMES)["second"]
    assert second["raw"] == {"full": 1}
    assert [(figure["value"], figure["met"]) for figure in second["figures"]] == [(150.01, False)]


def test_figures_pairwise_ratio() -> None:
    """A slow round does not change the median ratio."""
    assert pairwise_ratio([2.0, 20.0, 3.0], [2.0, 20.0, 2.0]) == 1.0


def test_figures_p99() -> None:
    """The 99th percentile excludes the slowest of a hundred values."""
    assert p99([float(value) for value in range(101)]) == 99.0
    assert p99([1.0] * 999 + [60.0]) == 1.0


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (21, "21"), (0.984, "0.98"), (99.999, "100.00"), (5e6, "5000000.0")]
)
def test_figures_number(value: float, text: str) -> None:
    """Counts are integers; the decimals of other values depend on their size."""
    assert number(value) == text
