"""A move from its edit to the way back's end, step by step, whatever is lost on the way."""

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
DOOR = Ref("StatefulSet", "users-database-proxy")
CLAIM, SECOND_CLAIM = (Ref("PersistentVolumeClaim", f"users-database-data{n}") for n in ("", "-2"))


def users(placement: Object, annotations: Object | None = None, **database: Any) -> Service:
    made = service("users", database={**DATABASE, **database}, placement=placement)
    return replace(made, annotations=annotations or {})


def stands(**database: Any) -> Observed:
    """users at zone a, at rest."""
    return settled(users(A, **database), observed())


def steps(subject: Service, seen: Observed, most: int = 12) -> tuple[list[str], Observed]:
    """Look, do it, and say so, until nothing changes; the reasons of Relocated in their order."""
    said: list[str] = []
    for _ in range(most):
        plans = reconcile(subject, seen)
        written = core.report(Case(subject, seen), plans).status
        after = replace(placed(seen, plans), status=written)
        reason = relocated(written).get("reason", "")
        said += [reason] if reason not in said[-1:] else []
        if after == seen:
            return said, seen
        seen = after
    raise AssertionError(f"does not come to rest: {said}")


def relocated(status: Any) -> Object:
    return next((c for c in status["conditions"] if c["type"] == "Relocated"), {})


def leads_to(seen: Observed) -> str:
    return str(seen.objects[Ref("Service", "users-database")]["spec"]["selector"][meta.POD_NAME])


def nodes(seen: Observed, ref: Ref) -> Object:
    found: Object = seen.objects[ref]["spec"]["template"]["spec"].get("nodeSelector", {})
    return found


def test_where_nothing_moves_nothing_is_said_of_it() -> None:
    seen = stands()
    assert not relocated(core.report(Case(users(A), seen), reconcile(users(A), seen)).status)
    assert nodes(seen, FIRST) == nodes(seen, Ref("Deployment", "users")) == {"zone": "a"}


def test_a_move_goes_step_by_step_to_its_end() -> None:
    before = stands()
    said, after = steps(users(B), before)
    assert said == ["InitialCopy", "CatchingUp", "MovingPods", "SwitchingOver", "Relocated"]
    assert nodes(after, SECOND) == nodes(after, Ref("Deployment", "users")) == {"zone": "b"}
    assert leads_to(after) == "users-database-2-0"
    assert after.status["move"]["writePauseMs"] == 210 and after.status["move"]["server"] == "users-database-2"
    follows = after.objects[FIRST]["spec"]["template"]["metadata"]["annotations"][meta.PRIMARY]
    assert follows == "users-database-2-0.users-database-nodes.shop.svc@2", "the one that was left is the way back"
    jobs = {ref.name for ref in after.objects if ref.kind == "Job" and "migrations" in ref.name}
    assert jobs == {ref.name for ref in before.objects if ref.kind == "Job" and "migrations" in ref.name}, (
        "the schema came along and is not migrated again"
    )


def test_no_step_restarts_the_server_that_owns_the_data() -> None:
    seen = stands()
    owners = [FIRST]
    for _ in range(12):
        plans = reconcile(users(B), seen)
        owner = (
            SECOND
            if seen.objects.get(SECOND_CLAIM, {}).get("metadata", {}).get("annotations", {}).get(meta.EPOCH) == "2"
            else FIRST
        )
        owners.append(owner)
        wanted = objects_of(plans).get(owner)
        assert wanted, f"{owner.name} is not wanted any more"
        assert wanted["spec"]["template"] == seen.objects[owner]["spec"]["template"], f"{owner.name} would restart"
        seen = replace(placed(seen, plans), status=core.report(Case(users(B), seen), plans).status)
    assert owners[-1] == SECOND


def test_the_way_back_moves_back_without_a_copy() -> None:
    _, there = steps(users(B), stands())
    said, back = steps(users(A), there)
    assert "InitialCopy" not in said and said[-1] == "Relocated"
    assert leads_to(back) == "users-database-0"
    assert back.objects[CLAIM]["metadata"]["annotations"][meta.EPOCH] == "3"
    assert back.objects[SECOND]["spec"]["template"]["metadata"]["annotations"][meta.PRIMARY].endswith("@3")


def test_what_was_left_goes_after_its_time_as_the_deletion_policy_says() -> None:
    for policy, left in (("Retain", True), ("Delete", False)):
        _, there = steps(users(B, deletionPolicy=policy), stands(deletionPolicy=policy))
        assert DOOR in there.objects
        later = replace(there, now=NOW + timedelta(hours=2))
        _, over = steps(users(B, deletionPolicy=policy), later)
        assert FIRST not in over.objects and DOOR not in over.objects
        assert (CLAIM in over.objects) is left
        assert leads_to(over) == "users-database-2-0"


def test_a_kept_volume_does_not_take_its_data_back() -> None:
    _, there = steps(users(B), stands())
    _, over = steps(users(B), replace(there, now=NOW + timedelta(hours=2)))
    claims = {ref: live for ref, live in over.objects.items() if ref.kind in ("PersistentVolumeClaim", "Secret")}
    again = settled(users(B), replace(observed(), objects=claims, now=over.now))
    assert leads_to(again) == "users-database-2-0" and FIRST not in again.objects


def test_an_edit_taken_back_before_the_switch_leaves_all_as_it_was() -> None:
    before = stands()
    seen = before
    for _ in range(3):
        seen = placed(seen, reconcile(users(B), seen))
    assert leads_to(seen) == "users-database-proxy-0"
    _, after = steps(users(A), seen)
    assert leads_to(after) == "users-database-0" and nodes(after, Ref("Deployment", "users")) == {"zone": "a"}
    assert not {SECOND, SECOND_CLAIM, DOOR} & after.objects.keys()


def test_an_edit_taken_back_during_the_switch_lets_it_end_and_moves_back() -> None:
    seen = stands()
    while not any(ref.kind == "Job" and "switch" in ref.name for ref in seen.objects):
        seen = placed(seen, reconcile(users(B), seen))
    job = next(ref for ref in seen.objects if ref.kind == "Job" and "switch" in ref.name)
    under_way = {**seen.objects, job: {**seen.objects[job], "status": {}}}
    plans = reconcile(users(A), replace(seen, objects=under_way, pods=()))
    kept = {ref for plan in plans for ref in plan.keep} | objects_of(plans).keys()
    assert {job, SECOND, SECOND_CLAIM, DOOR} <= kept
    _, after = steps(users(A), seen)
    turns = {ref: seen["metadata"].get("annotations", {}).get(meta.EPOCH) for ref, seen in after.objects.items()}
    assert (turns[SECOND_CLAIM], turns[CLAIM]) == ("2", "3")
    assert leads_to(after) == "users-database-0"


def test_a_volume_that_was_claimed_before_the_operator_was_lost_is_used() -> None:
    seen = stands()
    begun = placed(seen, reconcile(users(B), seen))
    lost = {ref: live for ref, live in begun.objects.items() if ref not in (SECOND, DOOR)}
    _, after = steps(users(B), replace(begun, objects=lost))
    assert leads_to(after) == "users-database-2-0"


def test_paused_it_waits_before_its_next_step() -> None:
    paused = users(B, {meta.MOVE: "Paused"})
    said, seen = steps(paused, stands())
    assert said == ["MovePaused"] and SECOND not in seen.objects
    copied = placed(seen, reconcile(users(B), seen))
    said, seen = steps(paused, copied)
    assert said == ["MovePaused"] and leads_to(seen) == "users-database-0"
    assert steps(users(B), seen)[0][-1] == "Relocated"


def test_what_hinders_it_is_named_before_anything_begins() -> None:
    said, seen = steps(users({}, storage={"size": "1Gi", "className": "fast"}), stands())
    assert said == ["MoveBlocked"] and SECOND_CLAIM not in seen.objects
    assert "storage class fast does not exist; the cluster has: standard (default)" in relocated(seen.status)["message"]


def test_a_storage_class_is_moved_to_and_kept() -> None:
    fast = StorageClass("fast")
    seen = replace(stands(), storage_classes=(STANDARD, fast))
    _, after = steps(users(A, storage={"size": "1Gi", "className": "fast"}), seen)
    assert after.objects[SECOND_CLAIM]["spec"]["storageClassName"] == "fast"
    _, again = steps(users(B, storage={"size": "1Gi"}), after)
    third = Ref("PersistentVolumeClaim", "users-database-data-3")
    assert again.objects[third]["spec"]["storageClassName"] == "fast", "where any will do, the one there is stays"


def test_a_switch_that_did_not_come_to_pass_is_tried_again_and_then_given_up() -> None:
    seen = stands()
    for _ in range(40):
        plans = reconcile(users(B), seen)
        seen = placed(replace(seen, now=seen.now + timedelta(seconds=30)), plans)
        kept = [p for p in seen.pods if "switch" not in p["metadata"]["name"]]
        jobs = [o for ref, o in seen.objects.items() if ref.kind == "Job" and "-switchover-" in ref.name]
        words = json.dumps({"outcome": "failed", "message": "the copy is 40 MB behind"})
        seen = replace(seen, pods=(*kept, *(reader(job, words) for job in jobs)))
    said = relocated(core.report(Case(users(B), seen), reconcile(users(B), seen)).status)
    assert said["reason"] == "SwitchoverFailed" and "the copy is 40 MB behind; tried 4 times" in said["message"]
    assert leads_to(seen) == "users-database-proxy-0", "clients stay where they are"


def test_a_copy_that_never_follows_is_given_up_and_not_begun_again() -> None:
    seen = stands()
    for _ in range(3):
        seen = placed(seen, reconcile(users(B), seen))
    claim = seen.objects[SECOND_CLAIM]
    dated = {**claim, "metadata": {**claim["metadata"], "creationTimestamp": NOW.isoformat()}}
    behind = {**seen.objects[SECOND], "status": {}}
    late = replace(seen, now=NOW + timedelta(days=2), objects={**seen.objects, SECOND_CLAIM: dated, SECOND: behind})
    plans = reconcile(users(B), late)
    late = replace(late, status=core.report(Case(users(B), late), plans).status)
    assert late.status["move"]["step"] == "MoveTimedOut"
    said, after = steps(users(B), late)
    assert said == ["MoveTimedOut"] and not {SECOND, SECOND_CLAIM} & after.objects.keys()
    assert leads_to(after) == "users-database-0"
    assert steps(users(A), after)[0][-1] == "AtDestination"


def test_what_was_given_up_stays_given_up_where_it_had_been_moved_before() -> None:
    _, there = steps(users(B), stands())
    elsewhere = users({"nodeSelector": {"zone": "c"}})
    begun = placed(there, reconcile(elsewhere, there))
    gave_up = {**there.status["move"], "step": "MoveTimedOut", "to": {"nodeSelector": {"zone": "c"}}}
    said, after = steps(elsewhere, replace(begun, status={**there.status, "move": gave_up}))
    assert said == ["MoveTimedOut"] and leads_to(after) == "users-database-2-0"


def test_migrations_and_the_switch_wait_for_one_another() -> None:
    seen = stands()
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

    (switch,) = (o for o in relocation.plan(Case(users(B), seen)).objects if o["kind"] == "Job")
    switching = replace(seen, objects={**seen.objects, Ref("Job", switch["metadata"]["name"]): switch})
    newer = replace(users(B), spec=users(B).spec.model_copy(update={"image": "users:2"}))
    waits = migrations.plan(Case(newer, switching))
    assert not waits.objects and waits.condition and waits.condition.reason == "WaitingForDatabase"
    assert migrations.plan(Case(newer, seen)).objects


def test_whatever_hinders_it_the_door_stands_while_clients_are_led_there() -> None:
    """At each step somebody asks for a third place, where it cannot go."""
    elsewhere = users({"nodeSelector": {"zone": "c"}}, storage={"size": "1Gi", "className": "gone"})
    seen, led = stands(), 0
    for _ in range(8):
        seen = replace(placed(seen, reconcile(users(B), seen)), status={})
        _, after = steps(elsewhere, seen)
        led += leads_to(after) == "users-database-proxy-0"
        assert (DOOR in after.objects) or leads_to(after) != "users-database-proxy-0"
    assert led
