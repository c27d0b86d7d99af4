"""Switches: what is there of the Jobs that have one database server take over from another, and what they said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from freehold.core.database.instance import Instance
from freehold.core.model.case import Case
from freehold.core.model.resources import Object, Observed, Ref, Service
from freehold.core.objects import jobs, meta, names, pods

ROLE = "switchover"
MAX_ATTEMPTS = 4
"""Times that a switch is tried before somebody has to see to it."""
RETRY_SECONDS = 20
"""From one that did not come to pass to the next."""


class Attempt(NamedTuple):
    """One try. ended: when, if it has. moved: whether the other server took over; None: not known. pause: in
    milliseconds. said: why it did not. discard: whether the copy is of no use any more."""

    name: str
    ended: datetime | None = None
    moved: bool | None = None
    pause: int | None = None
    said: str = ""
    discard: bool = False


def attempts(case: Case, now: Instance, to: Instance) -> Iterator[Attempt]:
    """Every try of one instance to take over from another, as far as they are there; the first that is not ends them."""
    for attempt in range(MAX_ATTEMPTS):
        name = job_name(case.service, now, to, attempt)
        job = case.observed.objects.get(Ref("Job", name))
        if job is None:
            return
        yield _read(case.observed, name, jobs.ended(job))


def may_have_completed(case: Case, now: Instance, to: Instance) -> bool:
    """Whether the two may have changed places, so that what they were to goes on to its end: all but the last try's own
    word that they have not leaves that open."""
    done = [*attempts(case, now, to)]
    return bool(done) and done[-1].moved is not False


def job_name(service: Service, now: Instance, to: Instance, attempt: int) -> str:
    """The name of the Job of a try; the first is number 0."""
    return names.switchover_job(service.name, meta.digest(now.number, now.epoch, to.number, attempt))


def is_under_way(objects: Mapping[Ref, Object]) -> bool:
    """Whether two servers change places at this moment."""
    live = [one for ref, one in objects.items() if ref.kind == "Job" and not jobs.finished(one, "Complete")]
    roles = (job.get("spec", {}).get("template", {}).get("metadata", {}).get("labels", {}) for job in live)
    return any(labels.get(meta.ROLE) == ROLE for labels in roles)


def _read(observed: Observed, name: str, ended: datetime | None) -> Attempt:
    for pod in pods.of_job(observed, name):
        for status in pod.get("status", {}).get("containerStatuses", []):
            said = pods.last_words(status)
            if said and "outcome" in said:
                pause = said.get("writePauseMs")
                moved, discard = said["outcome"] == "completed", bool(said.get("discard"))
                return Attempt(
                    name, ended, moved, int(pause) if pause is not None else None, said.get("message", ""), discard
                )
    return Attempt(name, ended)
