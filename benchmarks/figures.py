"""Figures with their bounds, as a table and as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Figure:
    """A line of the table. unit: like `s` or `kB`, empty for a count. bound: the largest accepted value."""

    name: str
    value: float
    unit: str = ""
    bound: float | None = None
    note: str = ""

    @property
    def met(self) -> bool:
        return self.bound is None or self.value <= self.bound


@dataclass(frozen=True)
class Outcome:
    """The result of a benchmark. raw: all single measurements."""

    name: str
    figures: tuple[Figure, ...]
    raw: dict[str, Any] = field(default_factory=dict)


def pairwise_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """Return the median of the ratios of all rounds; a slow machine affects both values of a round equally."""
    return statistics.median(a / b for a, b in zip(numerators, denominators, strict=True))


def p99(values: Sequence[float]) -> float:
    """Return the 99th percentile of at least two values, interpolated between the two nearest."""
    return statistics.quantiles(values, n=100, method="inclusive")[98]


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the table of all figures, with bounds and a mark for each bound met or missed."""
    rows = [("FIGURE", "VALUE", "AT MOST", "", "NOTE")]
    for outcome in outcomes:
        rows += [_row(figure) for figure in outcome.figures]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(_line(row, widths) for row in rows)


def missed(outcomes: Sequence[Outcome]) -> list[Figure]:
    """Return the figures above their bounds."""
    return [figure for outcome in outcomes for figure in outcome.figures if not figure.met]


def without_bounds(outcome: Outcome) -> Outcome:
    """Return the outcome without bounds, for runs in which times are not representative."""
    return replace(outcome, figures=tuple(replace(figure, bound=None) for figure in outcome.figures))


def as_json(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return all outcomes as JSON values: each figure with whether the bound is met, and all single measurements."""
    return {
        outcome.name: {
            "figures": [{**asdict(figure), "met": figure.met} for figure in outcome.figures],
            "raw": outcome.raw,
        }
        for outcome in outcomes
    }


def _row(figure: Figure) -> tuple[str, str, str, str, str]:
    bound = "" if figure.bound is None else number(figure.bound)
    mark = "" if figure.bound is None else "✓" if figure.met else "✗"
    return figure.name, f"{number(figure.value)} {figure.unit}".rstrip(), bound, mark, figure.note


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    name, value, bound, mark, note = row
    aligned = f"{name:<{widths[0]}}  {value:>{widths[1]}}  {bound:>{widths[2]}}  {mark:<{widths[3]}}  {note}"
    return aligned.rstrip()


def number(value: float) -> str:
    """Format counts as integers, values below 100 with two decimals, and others with a single decimal."""
    if float(value).is_integer() and abs(value) < 1e6 and not isinstance(value, float):
        return str(value)
    return f"{value:.2f}" if abs(value) < 100 else f"{value:.1f}"
