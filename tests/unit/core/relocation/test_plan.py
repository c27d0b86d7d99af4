"""A move from the edit to the destination, step by step, with losses at any step."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

from freehold.core import migrations, relocation
from freehold.core import reconcile as core
from freehold.core.model.case import Case
from freehold.core.model.resources import Ref, StorageClass
from freehold.core.objects import meta

from tests.unit.core.relocation.zone_moves import (
    FIRST,
    PROXY,
    SECOND,
    SECOND_CLAIM,
    A,
    B,
    at_rest,
    client_pod,
    nodes,
    relocated,
    steps,
    users,
)
from tests.unit.core.worlds import NOW, STANDARD, objects_of, observed, placed, reader, reconcile, settled


def test_move_none() -> None:
    """Without a move there is no condition Relocated."""
    seen = at_rest()
    assert not relocated(core.report(Case(users(A), seen), reconcile(users(A), seen)).status)
    assert nodes(seen, FIRST) == nodes(seen, Ref("Deployment", "users")) == {"zone": "a"}


def test_move_steps() -> None:
    """A move takes the steps in order, and keeps the old primary as the rollback standby."""
    before = at_rest()
    reasons, after = steps(users(B), before)
    assert reasons == ["InitialCopy", "CatchingUp", "MovingPods", "SwitchingOver", "Relocated"]
    assert nodes(after, SECOND) == nodes(after, Ref("Deployment", "users")) == {"zone": "b"}
    assert client_pod(after) == "users-database-2-0"
    assert after.status["move"]["writePauseMs"] == 210 and after.status["move"]["server"] == "users-database-2"
    source = after.objects[FIRST]["spec"]["template"]["metadata"]["annotations"][meta.PRIMARY]
    assert source == "users-database-2-0.users-database-nodes.shop.svc@2", "the old primary is the rollback standby"
    jobs = {ref.name for ref in after.objects if ref.kind == "Job" and "migrations" in ref.name}
    assert jobs == {ref.name for ref in before.objects if ref.kind == "Job" and "migrations" in ref.name}, (
        "the schema was copied and is not migrated again"
    )


def test_move_keeps_primary_running() -> None:
    """No step changes the pod template of the primary."""
    seen = at_rest()
    primaries = [FIRST]
    for _ in range(12):
        plans = reconcile(users(B), seen)
        primary = (
            SECOND
            if seen.objects.get(SECOND_CLAIM, {}).get("metadata", {}).get("annotations", {}).get(meta.EPOCH) == "2"
            else FIRST
        )
        primaries.append(primary)
        wanted = objects_of(plans).get(primary)
        assert wanted, f"{primary.name} is not wanted any more"
        assert wanted["spec"]["template"] == seen.objects[primary]["spec"]["template"], f"{primary.name} would restart"
        seen = replace(placed(seen, plans), status=core.report(Case(users(B), seen), plans).status)
    assert primaries[-1] == SECOND


def test_stale_volume_ignored() -> None:
    """A recreated Microservice uses the claim with the highest epoch, not the stale copy."""
    _, moved = steps(users(B), at_rest())
    _, after = steps(users(B), replace(moved, now=NOW + timedelta(hours=2)))
    claims = {ref: live for ref, live in after.objects.items() if ref.kind in ("PersistentVolumeClaim", "Secret")}
    again = settled(users(B), replace(observed(), objects=claims, now=after.now))
    assert client_pod(again) == "users-database-2-0" and FIRST not in again.objects


def test_restart_uses_claim() -> None:
    """A restarted operator continues a move with the existing claim."""
    seen = at_rest()
    begun = placed(seen, reconcile(users(B), seen))
    lost = {ref: live for ref, live in begun.objects.items() if ref not in (SECOND, PROXY)}
    _, after = steps(users(B), replace(begun, objects=lost))
    assert client_pod(after) == "users-database-2-0"


def test_pause_before_each_step() -> None:
    """A paused move waits before the next step."""
    paused = users(B, {meta.MOVE: "Paused"})
    reasons, seen = steps(paused, at_rest())
    assert reasons == ["MovePaused"] and SECOND not in seen.objects
    copied = placed(seen, reconcile(users(B), seen))
    reasons, seen = steps(paused, copied)
    assert reasons == ["MovePaused"] and client_pod(seen) == "users-database-0"
    assert steps(users(B), seen)[0][-1] == "Relocated"


def test_blocked_before_start() -> None:
    """An obstacle is named before anything is created."""
    reasons, seen = steps(users({}, storage={"size": "1Gi", "className": "fast"}), at_rest())
    assert reasons == ["MoveBlocked"] and SECOND_CLAIM not in seen.objects
    assert "storage class fast does not exist; the cluster has: standard (default)" in relocated(seen.status)["message"]


def test_storage_class_kept() -> None:
    """A move without a wanted storage class keeps the class of the last move."""
    fast = StorageClass("fast")
    seen = replace(at_rest(), storage_classes=(STANDARD, fast))
    _, after = steps(users(A, storage={"size": "1Gi", "className": "fast"}), seen)
    assert after.objects[SECOND_CLAIM]["spec"]["storageClassName"] == "fast"
    _, again = steps(users(B, storage={"size": "1Gi"}), after)
    third = Ref("PersistentVolumeClaim", "users-database-data-3")
    assert again.objects[third]["spec"]["storageClassName"] == "fast", "without a wanted class the present class stays"


def test_switchover_retries_end() -> None:
    """A failed switchover is repeated, and reported after the last attempt; clients stay on the proxy."""
    seen = at_rest()
    for _ in range(40):
        plans = reconcile(users(B), seen)
        seen = placed(replace(seen, now=seen.now + timedelta(seconds=30)), plans)
        kept = [p for p in seen.pods if "switch" not in p["metadata"]["name"]]
        jobs = [o for ref, o in seen.objects.items() if ref.kind == "Job" and "-switchover-" in ref.name]
        outcome = json.dumps({"outcome": "failed", "message": "the copy is 40 MB behind"})
        seen = replace(seen, pods=(*kept, *(reader(job, outcome) for job in jobs)))
    condition = relocated(core.report(Case(users(B), seen), reconcile(users(B), seen)).status)
    assert condition["reason"] == "SwitchoverFailed"
    assert "the copy is 40 MB behind; tried 4 times" in condition["message"]
    assert client_pod(seen) == "users-database-proxy-0", "clients stay on the proxy"


def test_timeout_ends_move() -> None:
    """A copy that never catches up times out, and does not start again."""
    seen = at_rest()
    for _ in range(3):
        seen = placed(seen, reconcile(users(B), seen))
    claim = seen.objects[SECOND_CLAIM]
    dated = {**claim, "metadata": {**claim["metadata"], "creationTimestamp": NOW.isoformat()}}
    behind = {**seen.objects[SECOND], "status": {}}
    late = replace(seen, now=NOW + timedelta(days=2), objects={**seen.objects, SECOND_CLAIM: dated, SECOND: behind})
    plans = reconcile(users(B), late)
    late = replace(late, status=core.report(Case(users(B), late), plans).status)
    assert late.status["move"]["step"] == "MoveTimedOut"
    reasons, after = steps(users(B), late)
    assert reasons == ["MoveTimedOut"] and not {SECOND, SECOND_CLAIM} & after.objects.keys()
    assert client_pod(after) == "users-database-0"
    assert steps(users(A), after)[0][-1] == "AtDestination"


def test_timeout_after_earlier_move() -> None:
    """A timed-out move does not start again after an earlier move either."""
    _, moved = steps(users(B), at_rest())
    elsewhere = users({"nodeSelector": {"zone": "c"}})
    begun = placed(moved, reconcile(elsewhere, moved))
    timed_out = {**moved.status["move"], "step": "MoveTimedOut", "to": {"nodeSelector": {"zone": "c"}}}
    reasons, after = steps(elsewhere, replace(begun, status={**moved.status, "move": timed_out}))
    assert reasons == ["MoveTimedOut"] and client_pod(after) == "users-database-2-0"


def test_switchover_excludes_migrations() -> None:
    """Migrations and the switchover wait for each other."""
    seen = at_rest()
    for _ in range(3):
        seen = placed(seen, reconcile(users(B), seen))
    running = {
        "metadata": {
            "name": "users-migrations-x",
            "labels": {meta.COMPONENT: meta.MIGRATIONS, "batch.kubernetes.io/job-name": "users-migrations-x"},
        },
        "status": {"containerStatuses": [{"name": "migrations", "state": {"running": {}}}]},
    }
    plan = relocation.plan(Case(users(B), replace(seen, pods=(*seen.pods, running))))
    assert plan.condition and plan.condition.reason == "WaitingForMigrations"
    assert not [o for o in plan.objects if o["kind"] == "Job"]

    (switchover,) = (o for o in relocation.plan(Case(users(B), seen)).objects if o["kind"] == "Job")
    switching = replace(seen, objects={**seen.objects, Ref("Job", switchover["metadata"]["name"]): switchover})
    newer = replace(users(B), spec=users(B).spec.model_copy(update={"image": "users:2"}))
    waiting = migrations.plan(Case(newer, switching))
    assert not waiting.objects and waiting.condition and waiting.condition.reason == "WaitingForDatabase"
    assert migrations.plan(Case(newer, seen)).objects


def test_proxy_kept_while_used() -> None:
    """An impossible third destination, at any step, leaves the proxy in place while clients use it."""
    elsewhere = users({"nodeSelector": {"zone": "c"}}, storage={"size": "1Gi", "className": "gone"})
    seen, used = at_rest(), 0
    for _ in range(8):
        seen = replace(placed(seen, reconcile(users(B), seen)), status={})
        _, after = steps(elsewhere, seen)
        used += client_pod(after) == "users-database-proxy-0"
        assert (PROXY in after.objects) or client_pod(after) != "users-database-proxy-0"
    assert used
