"""The migrations Job, which runs the service's image before new pods start.

There is one Job per image, command, resources and volume; a complete Job is the record of applied migrations. After a
failure the previous image serves on, and the condition holds the last lines of the log.
"""

from __future__ import annotations

from freehold.api.v1alpha1.database import Migrations
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
ATTEMPTS = 5
"""With a Job's pauses (10 s, doubling) about three minutes, longer than a restart of a database."""


def plan(case: Case) -> Plan:
    """Return the Job once the database is ready. A running migration is never interrupted by the next."""
    database = case.spec.database
    if database is None or database.migrations is None:
        return Plan(CAPABILITY, ())
    verdict = rollout_gate.verdict(case)
    if verdict.step is not rollout_gate.Step.GO:
        return _plan((), *_held(case, verdict), keep=_jobs(case.observed))
    running = _running_before(case)
    wanted = applied.migrations_job(case)
    if running:
        message = f"waiting for {running.name} to end before the next migration starts"
        return _plan((), State.UNKNOWN, Reason.MIGRATING, message, keep=frozenset({running}))
    new = wanted and Ref("Job", wanted) not in case.observed.objects
    if new and (
        switchover_jobs.is_under_way(case.observed.objects) or switchover_jobs.is_under_way(counterpart.objects(case))
    ):
        message = "waiting for the switchover of the database to end"
        return _plan((), State.UNKNOWN, Reason.WAITING_FOR_DATABASE, message, keep=_jobs(case.observed))
    if new and topology.primary(case).counterpart:
        message = "migrations run at the counterpart, which has the data"
        return _plan((), State.TRUE, Reason.APPLIED, message, keep=_jobs(case.observed))
    if wanted and (readiness.database_ready(case) or Ref("Job", wanted) in case.observed.objects):
        job = _job(case.service, database.migrations, wanted)
        job = _with_live_template(job, case.observed.objects.get(Ref("Job", wanted)))
        return _plan((job,), *_outcome(case, wanted))
    return _plan((), State.UNKNOWN, Reason.WAITING_FOR_DATABASE, "waiting for the database to be ready")


def _held(case: Case, verdict: rollout_gate.Verdict) -> tuple[State, Reason, str]:
    """Return the condition while the rollout gate holds the new image, and so the migration, back."""
    if verdict.step is rollout_gate.Step.WAIT:
        return State.UNKNOWN, Reason.READING_CONTRACT, verdict.message
    image = rollout_gate.as_serving(case).spec.image
    message = f"the schema is the one {meta.image_name(image)} needs; {meta.image_name(case.spec.image)} is held back"
    return State.TRUE, Reason.APPLIED, message


def _jobs(observed: Observed) -> frozenset[Ref]:
    """All existing migrations Jobs, with the record for the serving image."""
    labelled = (
        ref
        for ref, live in observed.objects.items()
        if live["metadata"].get("labels", {}).get(meta.CAPABILITY) == CAPABILITY
    )
    return frozenset(ref for ref in labelled if ref.kind == "Job")


def _plan(
    objects: tuple[Object, ...],
    state: State,
    reason: Reason,
    message: str,
    keep: frozenset[Ref] = frozenset(),
) -> Plan:
    return Plan(CAPABILITY, objects, Condition(Type.MIGRATIONS_APPLIED, state, reason, message), keep)


def _with_live_template(job: Object, live: Object | None) -> Object:
    """Return the Job with the template of the live Job, since a template is immutable (batch/v1)."""
    template = live.get("spec", {}).get("template") if live else None
    unchanged = live and live["metadata"].get("annotations", {}).get(meta.APPLIED_HASH) == meta.digest(job)
    return {**job, "spec": {**job["spec"], "template": template}} if template and not unchanged else job


def _running_before(case: Case) -> Ref | None:
    """Return an earlier Job that is still running, None without."""
    wanted = applied.migrations_job(case)
    for pod in pods.component_pods(case.observed, meta.MIGRATIONS):
        job = pods.job_of(pod)
        if job != wanted and pod in pods.of_job(case.observed, job) and pods.is_running(pod):
            return Ref("Job", job)
    return None


def _outcome(case: Case, name: str) -> tuple[State, Reason, str]:
    job = case.observed.objects.get(Ref("Job", name))
    own = (pod for pod in pods.of_job(case.observed, name) if "deletionTimestamp" not in pod["metadata"])
    newest = sorted(own, key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True)
    refusal = troubles.of_creation(case.observed, Ref("Job", name))
    trouble = worst((troubles.of_pods(newest, case.observed), refusal))
    if jobs.finished(job, "Complete"):
        return State.TRUE, Reason.APPLIED, f"the schema is the one {meta.image_name(case.spec.image)} needs"
    if jobs.finished(job, "Failed") or (trouble and trouble.reason is Reason.CRASH_LOOPING):
        return State.FALSE, Reason.MIGRATION_FAILED, _failure(case, name, trouble)
    if trouble:
        return State.FALSE, *trouble
    return (
        State.UNKNOWN,
        Reason.MIGRATING,
        f"{name} migrates the schema for {meta.image_name(case.spec.image)}",
    )


def _failure(case: Case, job: str, trouble: Trouble | None) -> str:
    cause = trouble.message if trouble else "failed, and the pods are gone with their logs"
    cause = cause.removeprefix(f"{job}-").partition(" ")[2] if cause.startswith(job) else cause
    tries = case.observed.objects.get(Ref("Job", job), {}).get("status", {}).get("failed", 0)
    ended = jobs.finished(case.observed.objects.get(Ref("Job", job)), "Failed")
    hint = (
        f"apply a corrected image to try again, or delete Job {job} to run this one again"
        if ended
        else f"attempt {max(tries, 1)} of {ATTEMPTS}, the Job tries again"
    )
    return f"{meta.image_name(case.spec.image)} {cause}. {_serving(case)}{hint}"


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
            "backoffLimit": ATTEMPTS - 1,
            "template": pods.template(
                meta.pod_labels(service, meta.MIGRATIONS, version),
                {},
                restartPolicy="Never",
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
        "migrations",
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
