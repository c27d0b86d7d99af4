"""Switchover Jobs: the attempts to exchange primary and candidate, and the outcome of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from freehold.core.database.instance import Instance
from freehold.core.model.case import Case
from freehold.core.model.resources import Object, Observed, Ref, Service
from freehold.core.objects import jobs, meta, names

ROLE = "switchover"
MAX_ATTEMPTS = 4
"""Failed attempts after which a person has to act."""
RETRY_SECONDS = 20
"""From the end of a failed attempt to the next attempt."""


class Attempt(NamedTuple):
    """One attempt of a switchover.

    name: of the Job. ended: the time of its end; None while the Job runs. moved: whether the candidate was promoted;
    None while unknown. pause: the write pause in milliseconds. message: the cause of a failure. discard: whether the
    failure made the standby unusable.
    """

    name: str
    ended: datetime | None = None
    moved: bool | None = None
    pause: int | None = None
    message: str = ""
    discard: bool = False


def attempts(case: Case, primary: Instance, candidate: Instance) -> Iterator[Attempt]:
    """Yield the attempts of a switchover, oldest first."""
    for number in range(MAX_ATTEMPTS):
        name = job_name(case.service, primary, candidate, number)
        job = case.observed.objects.get(Ref("Job", name))
        if job is None:
            return
        yield _read(case.observed, name, jobs.ended(job))


def may_have_completed(case: Case, primary: Instance, candidate: Instance) -> bool:
    """Return whether the switchover may have completed: only a reported failure of the last attempt excludes a
    promotion."""
    known = [*attempts(case, primary, candidate)]
    return bool(known) and known[-1].moved is not False


def job_name(service: Service, primary: Instance, candidate: Instance, attempt: int) -> str:
    """Return the name of an attempt's Job; the first attempt is number 0."""
    return names.switchover_job(service.name, meta.digest(primary.number, primary.epoch, candidate.number, attempt))


def is_under_way(objects: Mapping[Ref, Object]) -> bool:
    """Return whether a switchover Job has not completed yet."""
    live = [job for ref, job in objects.items() if ref.kind == "Job" and not jobs.finished(job, "Complete")]
    labels = (job.get("spec", {}).get("template", {}).get("metadata", {}).get("labels", {}) for job in live)
    return any(known.get(meta.ROLE) == ROLE for known in labels)


def _read(observed: Observed, name: str, ended: datetime | None) -> Attempt:
    """Read the outcome of an attempt from the termination message of its pod (agents/postgresql/switchover.py)."""
    for pod in jobs.pods_of(observed, name, ROLE):
        for status in pod["status"]["containerStatuses"]:
            answer = jobs.termination_message(status)
            if answer and "outcome" in answer:
                ended = ended or jobs.container_ended(status)
                pause = answer["writePauseMs"] if isinstance(answer.get("writePauseMs"), int) else None
                moved, discard = answer["outcome"] == "completed", bool(answer.get("discard"))
                return Attempt(name, ended, moved, pause, str(answer.get("message", "")), discard)
    return Attempt(name, ended)
