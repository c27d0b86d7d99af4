"""Tests of readiness checks: reports from before the start of a node do not count."""

from __future__ import annotations

from typing import Any

import pytest

from localcluster import readiness


def pod(started: str | None, node: str = "freehold-a") -> dict[str, Any]:
    state: dict[str, Any] = {"running": {"startedAt": started}} if started else {"waiting": {}}
    return {"spec": {"nodeName": node}, "status": {"containerStatuses": [{"state": state}]}}


STARTED = readiness.seconds("2030-01-01T12:00:00Z")


@pytest.mark.parametrize(
    ("seen", "stale"),
    [
        (pod("2030-01-01T11:59:00Z"), True),
        (pod("2030-01-01T12:00:00Z"), False),
        (pod("2030-01-01T12:00:09Z"), False),
        (pod(None), False),
        (pod("2030-01-01T11:59:00Z", node="freehold-b"), False),
    ],
    ids=["before", "same second", "after", "waiting", "other node"],
)
def test_is_stale(seen: dict[str, Any], stale: bool) -> None:
    """A container that started before its node is stale."""
    assert readiness.is_stale(seen, {"freehold-a": STARTED}) is stale


def test_seconds_with_microseconds() -> None:
    """Lease times with microseconds are parsed."""
    assert readiness.seconds("2030-01-01T12:00:00.250000Z") == STARTED + 0.25
