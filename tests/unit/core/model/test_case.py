"""A case computes each fact once."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

from freehold.core.database import topology
from freehold.core.model.case import Case, fact
from freehold.core.peers import counterpart
from freehold.core.reconcile import reconcile, report

from tests.golden import cases


def test_fact_computed_once_for_each_case() -> None:
    """Two requests for a fact of a case compute the fact once; another case computes the fact again."""
    computed = []

    @fact
    def name(case: Case) -> str:
        computed.append(case)
        return case.name

    first, second = Case(*cases.observed("serving")), Case(*cases.observed("serving"))
    assert [name(first), name(first), name(second)] == ["users"] * 3
    assert [id(case) for case in computed] == [id(first), id(second)]


def test_fact_primary_and_counterpart_computed_once() -> None:
    """A reconcile of a service at rest computes the primary and the counterpart once each."""
    case = Case(*cases.observed("serving"))
    derived = _calls(lambda: report(case, reconcile(case)), topology.primary, counterpart.of, topology.of)
    assert derived == {"primary": 1, "of": 2}


def _calls(action: Callable[[], object], *facts: Callable[[Case], object]) -> dict[str, int]:
    """Count how often each fact is computed during `action`, without memoized answers."""
    codes = {fact.__wrapped__.__code__: fact.__name__ for fact in facts}  # type: ignore[attr-defined]
    counted: Counter[str] = Counter()

    def trace(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code in codes:
            counted[codes[frame.f_code]] += 1

    sys.setprofile(trace)
    try:
        action()
    finally:
        sys.setprofile(None)
    return dict(counted)
