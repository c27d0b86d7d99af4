"""The migrations Job, the record of the last migration, and what a failed one is called."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from freehold.core import migrations
from freehold.core.model.case import Case
from freehold.core.model.conditions import State
from freehold.core.model.resources import Object, Observed, Plan, Ref, Service
from freehold.core.model.troubles import Refusal
from freehold.core.objects import meta
from freehold.core.reconcile import report

from tests.unit.core.worlds import DATABASE, NOW, objects_of, observed, placed, pod_of, reconcile, service

CLAIM = Ref("PersistentVolumeClaim", "users-database-data")
INJECTED: Object = {"name": "agent", "state": {"running": {}}}
LOCKED = "psycopg.errors.LockNotAvailable: canceling statement due to lock timeout"
MORE = {"requests": {"memory": "1024Mi"}}


def _after(status: Object) -> tuple[Observed, Ref]:
    """The state with the migrations Job of a service, and a status of the Job."""
    plain = service(database=DATABASE)
    seen = observed()
    for _ in range(3):
        seen = placed(seen, reconcile(plain, seen))
    (ref,) = [ref for ref in seen.objects if ref.kind == "Job"]
    return replace(seen, objects={**seen.objects, ref: {**seen.objects[ref], "status": status}}), ref


def _ended(condition: str) -> Object:
    """The status of an ended Job: Complete or Failed."""
    return {"conditions": [{"type": condition, "status": "True"}]}


def _planned(seen: Observed, **spec: Any) -> Plan:
    """The plan of a service with additional fields."""
    subject: Service = service(database=DATABASE, **spec)
    return migrations.plan(Case(subject, seen))


def _seen_beside(own: Object, *, first: bool = False) -> tuple[Observed, Ref]:
    """The state with a Job whose pod has the given state of its own container, and an injected one that goes on."""
    seen, ref = _after({})
    statuses = [{"name": "migrations", **own}]
    pod = {**pod_of(seen.objects[ref]), "status": {"containerStatuses": [*statuses, INJECTED]}}
    pod["status"]["containerStatuses"].sort(key=lambda status: (status["name"] == "migrations") is first)
    return replace(seen, pods=(pod,)), ref


def _without_jobs(seen: Observed) -> Observed:
    objects = {ref: live for ref, live in seen.objects.items() if ref.kind != "Job"}
    return replace(seen, objects=objects, pods=())


def _recorded() -> Observed:
    """The state whose status records the migration, with no Job any more."""
    seen, _ = _after(_ended("Complete"))
    return replace(_without_jobs(seen), status=_planned(seen).status)


def _reason(plan: Plan) -> tuple[str, str]:
    assert plan.condition
    return plan.condition.state, plan.condition.reason


def test_existing_job_is_never_written_again() -> None:
    """A Job is immutable, hence kept as it is, whatever others made of it."""
    seen, ref = _after({})
    changed = {**seen.objects[ref], "spec": {**seen.objects[ref]["spec"], "template": {}}}
    plan = _planned(replace(seen, objects={**seen.objects, ref: changed}))
    assert (plan.objects, plan.keep) == ((), {ref})


def test_other_resources_make_another_job() -> None:
    """A failed Job is replaced by a new Job once resources change."""
    seen, ref = _after(_ended("Failed"))
    assert _planned(seen).keep == {ref}
    (another,) = _planned(seen, resources=MORE).objects
    assert another["metadata"]["name"] != ref.name


def test_running_job_is_not_interrupted() -> None:
    """The next migration waits until a running Job has ended."""
    seen, ref = _after({})
    status = {"containerStatuses": [{"name": "migrations", "state": {"running": {}}}]}
    runs = replace(seen, pods=({**pod_of(seen.objects[ref]), "status": status},))
    plan = _planned(runs, resources=MORE)
    assert plan.objects == ()
    assert plan.keep == {ref}


@pytest.mark.parametrize("metadata", [{}, {"deletionTimestamp": "2026-01-02T03:04:05Z"}])
def test_migrations_do_not_run_at_the_same_time(metadata: Object) -> None:
    """A migration that failed and may be restarted is removed, and the next begins once its pod is gone."""
    waiting = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "restartCount": 2}
    seen, _ = _seen_beside(waiting)
    (pod,) = seen.pods
    seen = replace(seen, pods=({**pod, "metadata": {**pod["metadata"], **metadata}},))
    plan = _planned(seen, image="users:next")
    assert (plan.objects, plan.keep, _reason(plan)) == ((), frozenset(), ("Unknown", "Migrating"))
    outlives = replace(_without_jobs(seen), pods=seen.pods)
    assert not _planned(outlives).objects, "neither does the same migration, whose Job others removed"
    assert _planned(_without_jobs(seen), image="users:next").objects


def test_job_without_a_pod_is_removed_first() -> None:
    """The pod of a Job may be on its way."""
    seen, _ = _after({})
    plan = _planned(seen, image="users:next")
    assert (plan.objects, plan.keep) == ((), frozenset())


@pytest.mark.parametrize("first", [True, False])
def test_applied_beside_an_injected_container(first: bool) -> None:
    """A migration that ended with 0 is applied, although an injected container goes on; then its Job is removed."""
    seen, ref = _seen_beside({"state": {"terminated": {"exitCode": 0}}}, first=first)
    plan = _planned(seen)
    assert (_reason(plan), plan.keep) == (("True", "Applied"), {ref})
    assert Ref("Deployment", "users") in objects_of(reconcile(service(database=DATABASE), seen))
    after = _planned(replace(seen, status=plan.status))
    assert (_reason(after), after.keep, after.objects) == (("True", "Applied"), frozenset(), ())
    assert _planned(seen, image="users:next").objects, "the next migration does not wait for the injected container"


@pytest.mark.parametrize("first", [True, False])
def test_failure_beside_an_injected_container(first: bool) -> None:
    """A migration that failed is reported, although an injected container goes on."""
    failed = {"restartCount": 1, "state": {"terminated": {"exitCode": 3, "message": "no such table"}}}
    seen, _ = _seen_beside(failed, first=first)
    plan = _planned(seen)
    assert _reason(plan) == ("False", "MigrationFailed")
    assert plan.condition and "stopped with exit code 3: no such table" in plan.condition.message


def test_failure_of_an_injected_container() -> None:
    """An injected container that fails says nothing about the migration."""
    seen, _ = _seen_beside({"state": {"running": {}}})
    (pod,) = seen.pods
    crashed = {"name": "agent", "state": {"terminated": {"exitCode": 1}}}
    own = next(status for status in pod["status"]["containerStatuses"] if status["name"] == "migrations")
    seen = replace(seen, pods=({**pod, "status": {"containerStatuses": [crashed, own]}},))
    assert _reason(_planned(seen)) == ("Unknown", "Migrating")


def test_complete_job_stays_for_its_log() -> None:
    """The Job of a recorded migration is kept, if nothing keeps its pod from ending."""
    seen, ref = _after(_ended("Complete"))
    recorded = replace(seen, status=_planned(seen).status)
    assert _planned(recorded).keep == {ref}


def test_record_outlives_the_job() -> None:
    """A migration that was applied is not run again when others remove its Job."""
    plan = _planned(_recorded())
    assert (plan.objects, _reason(plan)) == ((), ("True", "Applied"))
    assert plan.status == _recorded().status
    assert not _planned(_recorded(), resources=MORE).objects, "resources change no schema"


def test_record_is_written_at_once() -> None:
    """Others may remove the Job seconds after its end."""
    seen, _ = _after({})
    subject = service(database=DATABASE)
    before = report(Case(subject, seen), reconcile(subject, seen)).status
    done, _ = _after(_ended("Complete"))
    assert report(Case(subject, replace(done, status=before)), reconcile(subject, done)).pause == 0


def test_other_migration_begins_without_the_record() -> None:
    """The record is removed before another migration begins, so that a return to the former one runs it again."""
    seen = _recorded()
    plan = _planned(seen, image="users:next")
    assert (plan.objects, plan.status, _reason(plan)) == ((), {}, ("Unknown", "Migrating"))
    (job,) = _planned(replace(seen, status={}), image="users:next").objects
    assert job["spec"]["template"]["spec"]["containers"][0]["image"] == "users:next"
    assert _planned(replace(seen, status={})).objects, "the former migration runs again"


def test_other_data_is_migrated() -> None:
    """A record counts for the data that was migrated: a new volume is migrated, a moved one is not migrated again."""
    seen = _recorded()
    claim = seen.objects[CLAIM]
    former = claim["metadata"]["uid"]

    def with_claim(**metadata: object) -> Observed:
        return replace(seen, objects={**seen.objects, CLAIM: {**claim, "metadata": {**claim["metadata"], **metadata}}})

    assert _reason(_planned(with_claim(uid="another"))) == ("Unknown", "Migrating")
    moved = with_claim(uid="another", annotations={meta.DATASET_ID: former, meta.EPOCH: "2"})
    assert _reason(_planned(moved)) == ("True", "Applied")


def test_migration_on_request() -> None:
    """A new value of the annotation runs the migration again, as after a restore into the same volume."""
    subject = replace(service(database=DATABASE), annotations={meta.RUN_MIGRATIONS: "restored"})
    seen = _recorded()
    assert _reason(migrations.plan(Case(subject, seen))) == ("Unknown", "Migrating")
    assert migrations.plan(Case(subject, replace(seen, status={}))).objects


@pytest.mark.parametrize(
    ("restarts", "log", "expected"),
    [
        (0, LOCKED, ("Unknown", "WaitingForLock")),
        (4, "ERROR: canceling statement due to lock timeout\nSQL state: 55P03", ("Unknown", "WaitingForLock")),
        (5, LOCKED, ("False", "MigrationFailed")),
        (0, "canceling statement due to statement timeout", ("False", "MigrationFailed")),
    ],
)
def test_lock_timeout_is_no_failure_yet(restarts: int, log: str, expected: tuple[str, str]) -> None:
    """A migration that waited for a lock in vain is tried again, and needs a person only after some attempts."""
    ended = {"terminated": {"exitCode": 1, "message": log}}
    for state in ({"state": ended}, {"state": {"running": {}}, "lastState": ended}):
        seen, _ = _seen_beside({"restartCount": restarts, **state})
        assert _reason(_planned(seen)) == expected


def test_migration_is_restarted_in_its_pod() -> None:
    """The kubelet restarts the container, which works beside an injected one that goes on."""
    seen, ref = _after({})
    spec = seen.objects[ref]["spec"]
    assert spec["template"]["spec"]["restartPolicy"] == "OnFailure"
    assert spec["backoffLimit"] == 2**31 - 1


def test_refused_job() -> None:
    """A migration whose pod a quota refuses says so."""
    seen, ref = _after({})
    refusal = Refusal(
        seen.objects[ref]["metadata"]["uid"], 'Error creating: pods "x" is forbidden: exceeded quota', NOW, NOW
    )
    condition = _planned(replace(seen, refusals={ref: refusal}, now=NOW + timedelta(minutes=1))).condition
    assert condition and (condition.state, condition.reason) == (State.FALSE, "RefusedByAdmission")
    assert condition.message == 'pods are refused: pods "x" is forbidden: exceeded quota'
