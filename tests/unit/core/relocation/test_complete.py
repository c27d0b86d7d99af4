"""A move loses nothing, says when its way back has broken, and ends no session that began after the switchover."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from freehold.core import reconcile as core
from freehold.core.model.case import Case
from freehold.core.model.resources import Object, Observed

from tests.unit.core.relocation.zone_moves import FIRST, PROXY, B, at_rest, relocated, steps, users
from tests.unit.core.worlds import NOW, reconcile

LOSSES = "unlogged table public.cache with rows"
PROXY_POD: Object = {
    "metadata": {"name": "users-database-proxy-0", "labels": {}},
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}


def moved() -> Observed:
    return steps(users(B), at_rest())[1]


def at(seen: Observed, minutes: float, **changes: object) -> Observed:
    """Return the cluster some minutes later."""
    return replace(seen, now=NOW + timedelta(minutes=minutes), **changes)  # type: ignore[arg-type]


def test_losses_block_switchover() -> None:
    """A move that would lose something is blocked, names it, and continues once that is gone."""
    seen = replace(at_rest(), copy_progress={"losses": LOSSES})
    reasons, blocked = steps(users(B), seen)
    assert reasons[-1] == "MoveBlocked" and f"the move would lose {LOSSES}" in relocated(blocked.status)["message"]
    assert not [ref for ref in blocked.objects if "-switchover-" in ref.name]
    assert steps(users(B), replace(blocked, copy_progress={"losses": ""}))[0][-1] == "Relocated"


def test_broken_way_back_is_reported() -> None:
    """A rollback standby that does not follow the primary is reported, after the time of its start."""
    seen = moved()
    broken = {**seen.objects, FIRST: {**seen.objects[FIRST], "status": {}}}
    said = [_said(at(seen, minutes, objects=broken)) for minutes in (1, 4)]
    assert [each["reason"] for each in said] == ["Relocated", "RollbackUnavailable"]
    assert "no rollback is possible: users-database-0 does not follow the primary" in said[1]["message"]


def _said(seen: Observed) -> Object:
    case = Case(users(B), seen)
    return relocated(core.report(case, reconcile(users(B), seen)).status)


@pytest.mark.parametrize(("progress", "stays"), [({"in_use": True}, True), ({}, True), ({"in_use": False}, False)])
def test_proxy_stays_for_sessions(progress: Object, stays: bool) -> None:
    """After a move the proxy stays until no session goes through it; an operator that restarts asks first."""
    seen = moved()
    later = at(seen, 5, pods=(*seen.pods, PROXY_POD), copy_progress=progress)
    assert (PROXY in steps(users(B), later)[1].objects) is stays
