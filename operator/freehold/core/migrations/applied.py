"""Whether the migration that the spec asks for was applied to the data in use.

The record is in `status.migrations`, because others may remove Jobs that have ended.
"""

from __future__ import annotations

from typing import Any

from freehold.core.database import topology
from freehold.core.database.instance import dataset_of
from freehold.core.model.case import Case, fact
from freehold.core.model.resources import Ref
from freehold.core.objects import jobs, meta, names

CONTAINER = "migrations"


@fact
def _content(case: Case) -> tuple[Any, ...] | None:
    """Return image, command, data and request of the declared migration; None without migrations or volume."""
    database = case.spec.database
    claim = topology.primary(case).claim
    if database is None or database.migrations is None or claim is None:
        return None
    request = case.service.annotations.get(meta.RUN_MIGRATIONS, "")
    content = (case.spec.image, database.migrations.command, dataset_of(claim))
    return (*content, request) if request else content


@fact
def migrations_job(case: Case) -> str | None:
    """Return the Job for the declared migration; None without migrations or volume.

    Resources count because a Job is immutable, and a Job that ran out of memory must be made again with more.
    """
    content = _content(case)
    if content is None:
        return None
    resources = [case.spec.resources.model_dump(exclude_defaults=True)] if case.spec.resources else []
    return names.migrations_job(case.name, meta.digest(*content, *resources))


def record(case: Case) -> dict[str, str]:
    """Return status.migrations after the declared migration."""
    return {"image": case.spec.image, "hash": meta.digest(*(_content(case) or ()))}


@fact
def recorded(case: Case) -> bool:
    """Return whether the status records the declared migration as applied."""
    return bool(_content(case)) and last_record(case).get("hash") == record(case)["hash"]


def last_record(case: Case) -> dict[str, str]:
    """Return status.migrations as last written; empty without."""
    return dict(case.observed.status.get("migrations", {}))


@fact
def migrated(case: Case) -> bool:
    """Return whether the migrations of the declared image are complete, or not needed."""
    database = case.spec.database
    if database is None or database.migrations is None or recorded(case):
        return True
    job = migrations_job(case)
    return job is not None and _has_ended_well(case, job)


def _has_ended_well(case: Case, job: str) -> bool:
    """Return whether the Job is complete, or its container ended with exit code 0 beside an injected one that runs."""
    if jobs.finished(case.observed.objects.get(Ref("Job", job)), "Complete"):
        return True
    return any(jobs.has_succeeded(pod, CONTAINER) for pod in jobs.pods_of(case.observed, job, CONTAINER))
