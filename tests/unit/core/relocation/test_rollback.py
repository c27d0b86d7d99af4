"""Moves in reverse: rollbacks, the end of the rollback window, reverted edits."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from freehold.core.model.resources import Ref
from freehold.core.objects import meta

from tests.unit.core.relocation.zone_moves import (
    CLAIM,
    FIRST,
    PROXY,
    SECOND,
    SECOND_CLAIM,
    A,
    B,
    at_rest,
    client_pod,
    nodes,
    steps,
    users,
)
from tests.unit.core.worlds import NOW, objects_of, placed, reconcile


def test_rollback_without_copy() -> None:
    """A rollback within the window is a switchover without an initial copy."""
    _, moved = steps(users(B), at_rest())
    reasons, back = steps(users(A), moved)
    assert "InitialCopy" not in reasons and reasons[-1] == "Relocated"
    assert client_pod(back) == "users-database-0"
    assert back.objects[CLAIM]["metadata"]["annotations"][meta.EPOCH] == "3"
    assert back.objects[SECOND]["spec"]["template"]["metadata"]["annotations"][meta.PRIMARY].endswith("@3")


def test_rollback_window_ends() -> None:
    """After the rollback window server and proxy are removed, and the volume by `deletionPolicy`."""
    for policy, kept in (("Retain", True), ("Delete", False)):
        _, moved = steps(users(B, deletionPolicy=policy), at_rest(deletionPolicy=policy))
        assert PROXY in moved.objects
        later = replace(moved, now=NOW + timedelta(hours=2))
        _, after = steps(users(B, deletionPolicy=policy), later)
        assert FIRST not in after.objects and PROXY not in after.objects
        assert (CLAIM in after.objects) is kept
        assert client_pod(after) == "users-database-2-0"


def test_revert_before_switchover() -> None:
    """An edit that is reverted before the switchover leaves everything as before."""
    before = at_rest()
    seen = before
    for _ in range(3):
        seen = placed(seen, reconcile(users(B), seen))
    assert client_pod(seen) == "users-database-proxy-0"
    _, after = steps(users(A), seen)
    assert client_pod(after) == "users-database-0" and nodes(after, Ref("Deployment", "users")) == {"zone": "a"}
    assert not {SECOND, SECOND_CLAIM, PROXY} & after.objects.keys()


def test_revert_during_switchover() -> None:
    """A switchover always finishes; the reverted edit then starts a second switchover."""
    seen = at_rest()
    while not any(ref.kind == "Job" and "switch" in ref.name for ref in seen.objects):
        seen = placed(seen, reconcile(users(B), seen))
    job = next(ref for ref in seen.objects if ref.kind == "Job" and "switch" in ref.name)
    under_way = {**seen.objects, job: {**seen.objects[job], "status": {}}}
    plans = reconcile(users(A), replace(seen, objects=under_way, pods=()))
    kept = {ref for plan in plans for ref in plan.keep} | objects_of(plans).keys()
    assert {job, SECOND, SECOND_CLAIM, PROXY} <= kept
    _, after = steps(users(A), seen)
    epochs = {ref: live["metadata"].get("annotations", {}).get(meta.EPOCH) for ref, live in after.objects.items()}
    assert (epochs[SECOND_CLAIM], epochs[CLAIM]) == ("2", "3")
    assert client_pod(after) == "users-database-0"
