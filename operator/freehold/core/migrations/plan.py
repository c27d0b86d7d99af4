"""The migrations Job, which runs the service's image before new pods start.

There is one Job per image, command, resources and volume; the status records the last migration that was applied. After
a failure the previous image serves on, the kubelet runs the command again with growing pauses, and the condition holds
the last lines of the log.
"""

from __future__ import annotations

from freehold.api.v1alpha1.database import Database, Migrations
from freehold.core import engines
from freehold.core.contracts import rollout_gate
from freehold.core.database import readiness, switchover_jobs, topology
from freehold.core.migrations import applied
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.resources import Object, Observed, Plan, Ref, Service
from freehold.core.model.troubles import Trouble, worst
from freehold.core.objects import deployments, jobs, meta, names, pods, troubles
from freehold.core.peers import counterpart

CAPABILITY = "migrations"
Outcome = tuple[State, Reason, str]
NEVER_GIVES_UP = 2**31 - 1
"""The Job's backoffLimit. The kubelet restarts the container with pauses from 10 s to 5 minutes, and does so within the
pod, since an injected container that goes on keeps the pod from failing."""
LOCK_ATTEMPTS = 5
"""Attempts that may wait in vain for a lock before a person has to act; with the kubelet's pauses some minutes."""


def plan(case: Case) -> Plan:
    """Return the Job once the database is ready. A running migration is never interrupted by the next."""
    database = case.spec.database
    if database is None or database.migrations is None:
        return Plan(CAPABILITY, ())
    verdict = rollout_gate.verdict(case)
    if verdict.step is not rollout_gate.Step.GO:
        return _plan(case, _held(case, verdict), keep=_jobs(case.observed))
    if applied.recorded(case):
        return _plan(case, _applied(case), keep=_ended(case))
    if running := _running_before(case):
        message = f"waiting for {running.name} to end before the next migration starts"
        return _plan(case, (State.UNKNOWN, Reason.MIGRATING, message), keep=frozenset({running}))
    wanted = applied.migrations_job(case)
    if wanted and Ref("Job", wanted) in case.observed.objects:
        return _outcome(case, database, wanted)
    return _begin(case, database.migrations, wanted)


def _begin(case: Case, migrations: Migrations, wanted: str | None) -> Plan:
    """Return the Job that does not exist yet, or what it waits for."""
    if switchover_jobs.is_under_way(case.observed.objects) or switchover_jobs.is_under_way(counterpart.objects(case)):
        message = "waiting for the switchover of the database to end"
        return _plan(case, (State.UNKNOWN, Reason.WAITING_FOR_DATABASE, message), keep=_jobs(case.observed))
    if topology.primary(case).counterpart:
        message = "migrations run at the counterpart, which has the data"
        return _plan(case, (State.TRUE, Reason.APPLIED, message), keep=_jobs(case.observed))
    if not wanted or not readiness.database_ready(case):
        return _plan(case, (State.UNKNOWN, Reason.WAITING_FOR_DATABASE, "waiting for the database to be ready"))
    if name := _unfinished(case):
        message = f"waiting for {name} of an earlier migration to be gone before the next one starts"
        return _plan(case, (State.UNKNOWN, Reason.MIGRATING, message))
    if applied.last_record(case):
        # First the record goes: once another migration has begun, the schema is not known to be the recorded one.
        return Plan(CAPABILITY, (), _condition(_running(case, wanted)), retry_after=1)
    return Plan(CAPABILITY, (_job(case.service, migrations, wanted),), _condition(_running(case, wanted)))


def _outcome(case: Case, database: Database, name: str) -> Plan:
    """Return condition and record of an existing Job, which is never written again: its template is immutable."""
    keep = frozenset({Ref("Job", name)})
    if applied.migrated(case):
        return Plan(CAPABILITY, (), _condition(_applied(case)), keep, status={"migrations": applied.record(case)})
    return Plan(CAPABILITY, (), _condition(_progress(case, database, name)), keep)


def _applied(case: Case) -> Outcome:
    return State.TRUE, Reason.APPLIED, f"the schema is the one {meta.image_name(case.spec.image)} needs"


def _running(case: Case, name: str) -> Outcome:
    return State.UNKNOWN, Reason.MIGRATING, f"{name} migrates the schema for {meta.image_name(case.spec.image)}"


def _held(case: Case, verdict: rollout_gate.Verdict) -> Outcome:
    """Return the condition while the rollout gate holds the new image, and so the migration, back."""
    if verdict.step is rollout_gate.Step.WAIT:
        return State.UNKNOWN, Reason.READING_CONTRACT, verdict.message
    image = rollout_gate.as_serving(case).spec.image
    message = f"the schema is the one {meta.image_name(image)} needs; {meta.image_name(case.spec.image)} is held back"
    return State.TRUE, Reason.APPLIED, message


def _jobs(observed: Observed) -> frozenset[Ref]:
    """All existing migrations Jobs."""
    labelled = (
        ref
        for ref, live in observed.objects.items()
        if live["metadata"].get("labels", {}).get(meta.CAPABILITY) == CAPABILITY
    )
    return frozenset(ref for ref in labelled if ref.kind == "Job")


def _ended(case: Case) -> frozenset[Ref]:
    """Return the recorded migration's Job, for its log; without a Job that an injected container keeps from ending."""
    job = applied.migrations_job(case)
    own = [pod for pod in case.observed.pods if jobs.job_of(pod) == job]
    goes_on = any(jobs.has_succeeded(pod, applied.CONTAINER) and pods.running(pod) for pod in own)
    return _jobs(case.observed) & {Ref("Job", str(job))} if not goes_on else frozenset()


def _plan(case: Case, outcome: Outcome, keep: frozenset[Ref] = frozenset()) -> Plan:
    """Return a plan that begins no migration and leaves the record as it is."""
    record = applied.last_record(case)
    return Plan(CAPABILITY, (), _condition(outcome), keep, status={"migrations": record} if record else {})


def _condition(outcome: Outcome) -> Condition:
    return Condition(Type.MIGRATIONS_APPLIED, *outcome)


def _running_before(case: Case) -> Ref | None:
    """Return an earlier Job whose migration still runs, None without."""
    wanted = applied.migrations_job(case)
    runs = {jobs.job_of(pod) for pod in _pods_of_migrations(case) if applied.CONTAINER in pods.running(pod)}
    return next((ref for ref in sorted(_jobs(case.observed)) if ref.name != wanted and ref.name in runs), None)


def _unfinished(case: Case) -> str:
    """Return an earlier Job, or a pod that outlives its Job, whose command may run or be restarted; empty without.

    Such a Job is removed first, since two migrations must not run at the same time.
    """
    pods_there = _pods_of_migrations(case)
    started = {jobs.job_of(pod) for pod in pods_there}
    for ref in sorted(_jobs(case.observed)):
        live = case.observed.objects[ref]
        if ref.name not in started and not any(jobs.finished(live, outcome) for outcome in ("Complete", "Failed")):
            return f"Job {ref.name}"
    going = (pod for pod in pods_there if not jobs.has_succeeded(pod, applied.CONTAINER))
    return next((f"pod {pod['metadata']['name']}" for pod in going if not _has_ended(pod)), "")


def _has_ended(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def _pods_of_migrations(case: Case) -> list[Object]:
    """Return all pods with the label, also terminating ones and ones that admission changed: they may be running."""
    return [pod for pod in case.observed.pods if pods.component_of(pod) == meta.MIGRATIONS]


def _progress(case: Case, database: Database, name: str) -> Outcome:
    """Return the condition of a Job whose migration has not succeeded."""
    newest = sorted(_pods(case, name), key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True)
    refusal = troubles.of_creation(case.observed, Ref("Job", name))
    trouble = worst((troubles.of_pods(newest, case.observed), refusal))
    failed = jobs.finished(case.observed.objects.get(Ref("Job", name)), "Failed")
    if not failed and any(_waits_for_lock(database, pod) for pod in newest[:1]):
        return State.UNKNOWN, Reason.WAITING_FOR_LOCK, _waiting(case, name)
    if failed or (trouble and trouble.reason is Reason.CRASH_LOOPING):
        return State.FALSE, Reason.MIGRATION_FAILED, _failure(case, name, trouble, ended=failed)
    if trouble:
        return State.FALSE, *trouble
    return _running(case, name)


def _pods(case: Case, job: str) -> list[Object]:
    """Return the pods of a Job that are not being deleted."""
    own = jobs.pods_of(case.observed, job, applied.CONTAINER)
    return [pod for pod in own if "deletionTimestamp" not in pod["metadata"]]


def _waits_for_lock(database: Database, pod: Object) -> bool:
    """Return whether the last attempt ended because another session held a lock, and few attempts have."""
    statuses = pod.get("status", {}).get("containerStatuses", [])
    states = (status.get(key, {}) for status in statuses for key in ("state", "lastState"))
    log = next((state["terminated"].get("message", "") for state in states if "terminated" in state), "")
    few = all(status.get("restartCount", 0) < LOCK_ATTEMPTS for status in statuses)
    return few and engines.of(database).is_lock_timeout(log)


def _waiting(case: Case, job: str) -> str:
    state = f"{job} waits for a lock that another session holds, and gives up early, so that calls are not held up"
    return f"{state}. {_serving(case)}the migration is tried again; if this lasts, end the session's transaction"


def _failure(case: Case, job: str, trouble: Trouble | None, *, ended: bool) -> str:
    """Return cause and action of a failure. ended: whether the Job tries no more."""
    cause = trouble.message if trouble else "failed, and the pods are gone with their logs"
    cause = cause.removeprefix(f"{job}-").partition(" ")[2] if cause.startswith(job) else cause
    again = f"delete Job {job} to run this one again" if ended else "this one is tried again within 5 minutes"
    action = f"apply a corrected image; {again}"
    return f"{meta.image_name(case.spec.image)} {cause}. {_serving(case)}{action}"


def _serving(case: Case) -> str:
    """The part of a message on the serving image; empty without."""
    image = deployments.serving_image(case)
    return f"{meta.image_name(image)} goes on serving; " if image else ""


def _job(service: Service, migrations: Migrations, name: str) -> Object:
    version = meta.image_version(service.spec.image)
    return meta.build(
        service,
        "batch/v1",
        "Job",
        name,
        meta.labels(service, meta.MIGRATIONS, CAPABILITY, version),
        spec={
            "backoffLimit": NEVER_GIVES_UP,
            "template": pods.template(
                meta.pod_labels(service, meta.MIGRATIONS, version),
                {},
                restartPolicy="OnFailure",
                serviceAccountName=service.name,
                containers=[_container(service, migrations)],
                volumes=[
                    {"name": "tmp", "emptyDir": {}},
                    {"name": "database", "secret": {"secretName": names.owner_secret(service.name)}},
                ],
            ),
        },
    )


def _container(service: Service, migrations: Migrations) -> Object:
    url = {"secretKeyRef": {"name": names.owner_secret(service.name), "key": "uri"}}
    return pods.container(
        applied.CONTAINER,
        service.spec.image,
        service.spec.resources,
        pods.SERVICE,
        command=list(migrations.command),
        env=[
            {"name": "SERVICE_BINDING_ROOT", "value": names.BINDING_ROOT},
            {"name": "DATABASE_URL", "valueFrom": url},
        ],
        volumeMounts=[
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "database", "mountPath": f"{names.BINDING_ROOT}/database", "readOnly": True},
        ],
    )
