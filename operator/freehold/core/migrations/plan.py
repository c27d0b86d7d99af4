"""Migrations: the schema is brought up to date by a Job from the service's image, before its pods are.

One Job for each image, command and volume; that it is complete is the record that it ran. When it fails, the pods that
serve go on serving, and the condition says what the migration said last.
"""

from __future__ import annotations

from freehold.api.v1alpha1.database import Migrations
from freehold.core.contracts import rollout_gate
from freehold.core.database import readiness, switchover_jobs, topology
from freehold.core.migrations import applied
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.resources import Object, Observed, Plan, Ref, Service
from freehold.core.objects import deployments, jobs, meta, names, pods

CAPABILITY = "migrations"
ATTEMPTS = 5
"""With the pauses of a Job (10 s, doubling) some three minutes: longer than a database takes to come back."""


def plan(case: Case) -> Plan:
    """The Job, once the database is ready; a migration that still runs is never cut short by the next."""
    database = case.spec.database
    if database is None or database.migrations is None:
        return Plan(CAPABILITY, ())
    verdict = rollout_gate.verdict(case)
    if verdict.step is not rollout_gate.Step.GO:
        return _plan((), *_held(case, verdict), keep=_jobs(case.observed))
    running = _running_before(case)
    wanted = applied.migrations_job(case)
    if running:
        said = f"waiting for {running.name} to end before the next migration starts"
        return _plan((), State.UNKNOWN, Reason.MIGRATING, said, keep=frozenset({running}))
    new = wanted and Ref("Job", wanted) not in case.observed.objects
    if new and (
        switchover_jobs.is_under_way(case.observed.objects) or switchover_jobs.is_under_way(case.observed.counterpart)
    ):
        said = "waiting until the database's two servers have changed places"
        return _plan((), State.UNKNOWN, Reason.WAITING_FOR_DATABASE, said, keep=_jobs(case.observed))
    if new and topology.primary(case).abroad:
        said = "the schema is seen to where the data stands"
        return _plan((), State.TRUE, Reason.APPLIED, said, keep=_jobs(case.observed))
    if wanted and (readiness.database_ready(case) or Ref("Job", wanted) in case.observed.objects):
        job = _job(case.service, database.migrations, wanted)
        job = _as_made(job, case.observed.objects.get(Ref("Job", wanted)))
        return _plan((job,), *_outcome(case, wanted))
    return _plan((), State.UNKNOWN, Reason.WAITING_FOR_DATABASE, "waiting for the database to be ready")


def _held(case: Case, verdict: rollout_gate.Verdict) -> tuple[State, Reason, str]:
    """The new image's migration does not start before it is known that its pods may."""
    if verdict.step is rollout_gate.Step.WAIT:
        return State.UNKNOWN, Reason.READING_CONTRACT, verdict.said
    image = rollout_gate.as_serving(case).spec.image
    said = f"the schema is the one {meta.image_name(image)} needs; {meta.image_name(case.spec.image)} is held back"
    return State.TRUE, Reason.APPLIED, said


def _jobs(observed: Observed) -> frozenset[Ref]:
    """Every Job that is there, the record that the image that serves was migrated to among them."""
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


def _as_made(job: Object, live: Object | None) -> Object:
    """A Job's template cannot change (batch/v1); one that is there is the record of what ran, and stays as it is."""
    made = live.get("spec", {}).get("template") if live else None
    unchanged = live and live["metadata"].get("annotations", {}).get(meta.APPLIED_HASH) == meta.digest(job)
    return {**job, "spec": {**job["spec"], "template": made}} if made and not unchanged else job


def _running_before(case: Case) -> Ref | None:
    """An earlier Job with a container that runs at this moment."""
    wanted = applied.migrations_job(case)
    for pod in pods.component_pods(case.observed, meta.MIGRATIONS):
        job = pods.job_of(pod)
        if job != wanted and Ref("Job", job) in case.observed.objects and pods.is_running(pod):
            return Ref("Job", job)
    return None


def _outcome(case: Case, name: str) -> tuple[State, Reason, str]:
    job = case.observed.objects.get(Ref("Job", name))
    mine = [pod for pod in pods.component_pods(case.observed, meta.MIGRATIONS) if pods.job_of(pod) == name]
    newest = sorted(mine, key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True)
    trouble = pods.trouble(newest, case.observed)
    if jobs.finished(job, "Complete"):
        return State.TRUE, Reason.APPLIED, f"the schema is the one {meta.image_name(case.spec.image)} needs"
    if jobs.finished(job, "Failed") or (trouble and trouble.reason is Reason.CRASH_LOOPING):
        return State.FALSE, Reason.MIGRATION_FAILED, _failure(case, name, trouble)
    if trouble:
        return State.FALSE, *trouble
    return (
        State.UNKNOWN,
        Reason.MIGRATING,
        f"{name} brings the schema to what {meta.image_name(case.spec.image)} needs",
    )


def _failure(case: Case, job: str, trouble: pods.Trouble | None) -> str:
    said = trouble.message if trouble else "its pods are gone, and their log with them"
    said = said.removeprefix(f"{job}-").partition(" ")[2] if said.startswith(job) else said
    tries = case.observed.objects.get(Ref("Job", job), {}).get("status", {}).get("failed", 0)
    over = jobs.finished(case.observed.objects.get(Ref("Job", job)), "Failed")
    hint = (
        f"apply a corrected image to try again, or delete Job {job} to run this one again"
        if over
        else f"attempt {max(tries, 1)} of {ATTEMPTS}, it is tried again"
    )
    return f"{meta.image_name(case.spec.image)} {said}. {_serving(case)}{hint}"


def _serving(case: Case) -> str:
    """Which image goes on serving, if one does."""
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
