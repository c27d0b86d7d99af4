"""Figures: a bound that is missed is seen, and every figure is printed."""

from __future__ import annotations

import pytest

from benchmarks.figures import Figure, Outcome, as_json, missed, number, p99, pairwise_ratio, table

WELL = Figure("ratio", 1.1, "", 1.1)
MISSED = Figure("memory", 150.01, "kB", 150.0, "each")
UNBOUND = Figure("time", 12.5, "s")
OUTCOMES = [Outcome("first", (WELL, UNBOUND)), Outcome("second", (MISSED,), {"full": 1})]


def test_a_bound_is_met_up_to_and_with_it() -> None:
    assert missed(OUTCOMES) == [MISSED]


def test_the_table_has_a_line_for_each_figure_and_marks_what_is_missed() -> None:
    head, *lines = table(OUTCOMES).splitlines()
    assert head.split() == ["FIGURE", "VALUE", "AT", "MOST", "NOTE"]
    assert [line.split() for line in lines] == [
        ["ratio", "1.10", "1.10", "✓"],
        ["time", "12.50", "s"],
        ["memory", "150.0", "kB", "150.0", "✗", "each"],
    ]


def test_json_says_whether_each_is_met_and_keeps_what_it_was_made_of() -> None:
    second = as_json(OUTCOMES)["second"]
    assert second["raw"] == {"full": 1}
    assert [(figure["value"], figure["met"]) for figure in second["figures"]] == [(150.01, False)]


def test_the_ratio_of_pairs_is_not_moved_by_one_slow_round() -> None:
    assert pairwise_ratio([2.0, 20.0, 3.0], [2.0, 20.0, 2.0]) == 1.0


def test_the_99th_percentile_leaves_out_the_slowest_of_a_hundred() -> None:
    assert p99([float(value) for value in range(101)]) == 99.0
    assert p99([1.0] * 999 + [60.0]) == 1.0


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (21, "21"), (0.984, "0.98"), (99.999, "100.00"), (5e6, "5000000.0")]
)
def test_number(value: float, text: str) -> None:
    assert number(value) == text
