"""A move from the edit to the end of the rollback window, step by step, with losses at any step."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from freehold.core import migrations, relocation
from freehold.core import reconcile as core
from freehold.core.model.case import Case
from freehold.core.model.resources import Object, Observed, Ref, Service, StorageClass
from freehold.core.objects import meta

from tests.unit.core.worlds import (
    DATABASE,
    NOW,
    STANDARD,
    objects_of,
    observed,
    placed,
    reader,
    reconcile,
    service,
    settled,
)

A, B = ({"nodeSelector": {"zone": zone}} for zone in "ab")
FIRST, SECOND = Ref("StatefulSet", "users-database"), Ref("StatefulSet", "users-database-2")
PROXY = Ref("StatefulSet", "users-database-proxy")
CLAIM, SECOND_CLAIM = (Ref("PersistentVolumeClaim", f"users-database-data{n}") for n in ("", "-2"))


def users(placement: Object, annotations: Object | None = None, **database: Any) -> Service:
    made = service("users", database={**DATABASE, **database}, placement=placement)
    return replace(made, annotations=annotations or {})


def at_rest(**database: Any) -> Observed:
    """Return the cluster with users at zone a, at rest."""
    return settled(users(A, **database), observed())


def steps(subject: Service, seen: Observed, most: int = 12) -> tuple[list[str], Observed]:
    """Reconcile until nothing changes; return the reasons of Relocated in order, and the last observation."""
    reasons: list[str] = []
    for _ in range(most):
        plans = reconcile(subject, seen)
        status = core.report(Case(subject, seen), plans).status
        after = replace(placed(seen, plans), status=status)
        reason = relocated(status).get("reason", "")
        reasons += [reason] if reason not in reasons[-1:] else []
        if after == seen:
            return reasons, seen
        seen = after
    raise AssertionError(f"does not come to rest: {reasons}")


def relocated(status: Any) -> Object:
    return next((c for c in status["conditions"] if c["type"] == "Relocated"), {})


def client_pod(seen: Observed) -> str:
    return str(seen.objects[Ref("Service", "users-database")]["spec"]["selector"][meta.POD_NAME])


def nodes(seen: Observed, ref: Ref) -> Object:
    selector: Object = seen.objects[ref]["spec"]["template"]["spec"].get("nodeSelector", {})
    return selector


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


def test_stale_volume_ignored() -> None:
    """A recreated Microservice uses the claim with the highest epoch, not the stale copy."""
    _, moved = steps(users(B), at_rest())
    _, after = steps(users(B), replace(moved, now=NOW + timedelta(hours=2)))
    claims = {ref: live for ref, live in after.objects.items() if ref.kind in ("PersistentVolumeClaim", "Secret")}
    again = settled(users(B), replace(observed(), objects=claims, now=after.now))
    assert client_pod(again) == "users-database-2-0" and FIRST not in again.objects


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
