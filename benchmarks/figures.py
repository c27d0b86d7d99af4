"""Figures: what was measured, what it may be at most, and both as a table and as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One line of the table. unit: such as `s`, `kB`, or empty for a count. bound: the largest value that is well."""

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
    """What one benchmark found. raw: every single measurement, for whoever wants to look closer."""

    name: str
    figures: tuple[Figure, ...]
    raw: dict[str, Any] = field(default_factory=dict)


def pairwise_ratio(with_it: Sequence[float], without: Sequence[float]) -> float:
    """The median of each round's own ratio: what slows the machine for a while slows both of a pair."""
    return statistics.median(a / b for a, b in zip(with_it, without, strict=True))


def p99(values: Sequence[float]) -> float:
    """The 99th percentile of two values or more, on the line between the two that are nearest."""
    return statistics.quantiles(values, n=100, method="inclusive")[98]


def table(outcomes: Sequence[Outcome]) -> str:
    """All figures, one a line, with their bounds and whether they are met."""
    rows = [("FIGURE", "VALUE", "AT MOST", "", "NOTE")]
    for outcome in outcomes:
        rows += [_row(figure) for figure in outcome.figures]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(_line(row, widths) for row in rows)


def missed(outcomes: Sequence[Outcome]) -> list[Figure]:
    """The figures above their bounds."""
    return [figure for outcome in outcomes for figure in outcome.figures if not figure.met]


def without_bounds(outcome: Outcome) -> Outcome:
    """The same figures where no bound of theirs can be judged."""
    return replace(outcome, figures=tuple(replace(figure, bound=None) for figure in outcome.figures))


def as_json(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The same for programs: each figure with whether its bound is met, and everything they were made of."""
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
    """Counts as they are, small measurements with two digits, large ones with one."""
    if float(value).is_integer() and abs(value) < 1e6 and not isinstance(value, float):
        return str(value)
    return f"{value:.2f}" if abs(value) < 100 else f"{value:.1f}"
