"""A case derives each of its facts once."""

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


def test_fact_is_derived_once_for_each_case() -> None:
    """A fact asked twice of one case is computed once; another case computes its own."""
    computed = []

    @fact
    def name(case: Case) -> str:
        computed.append(case)
        return case.name

    first, second = Case(*cases.observed("serving")), Case(*cases.observed("serving"))
    assert [name(first), name(first), name(second)] == ["users"] * 3
    assert [id(case) for case in computed] == [id(first), id(second)]


def test_case_at_rest_derives_primary_and_counterpart_once() -> None:
    """One reconcile of a service at rest computes which instance is primary, and who is the counterpart, once each."""
    case = Case(*cases.observed("serving"))
    derived = _calls(lambda: report(case, reconcile(case)), topology.primary, counterpart.of, topology.of)
    assert derived == {"primary": 1, "of": 2}


def _calls(action: Callable[[], object], *facts: Callable[[Case], object]) -> dict[str, int]:
    """How often each fact is computed while `action` runs; answers from the case's memory do not count."""
    codes = {one.__wrapped__.__code__: one.__name__ for one in facts}  # type: ignore[attr-defined]
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
