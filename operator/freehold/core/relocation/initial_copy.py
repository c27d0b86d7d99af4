"""Initial copy: the state of a move while the standby at the destination is not ready."""

from __future__ import annotations

from datetime import datetime

from freehold.core.database import topology
from freehold.core.database.instance import Instance
from freehold.core.model.case import Case
from freehold.core.model.conditions import Reason
from freehold.core.model.resources import Object, Observed, Ref
from freehold.core.model.troubles import worst
from freehold.core.objects import names, troubles
from freehold.core.relocation import progress
from freehold.core.relocation.progress import Step


def step(case: Case, candidate: Instance, objects: tuple[Object, ...]) -> Step:
    """Return the progress of the copy, or the cause that prevents the copy."""
    server, server_pods = names.instance(case.name, candidate.number), topology.server_pods(case, candidate)
    copied, total = case.observed.copy_progress.get("copied", 0), case.observed.copy_progress.get("total", 0)
    refusal = troubles.of_creation(case.observed, Ref("StatefulSet", server))
    if trouble := worst((troubles.of_pods(server_pods, case.observed), refusal)):
        return Step(Reason.INITIAL_COPY, f"{trouble.message}; the move continues once that is put right", objects)
    if candidate.server and not server_pods:
        action = f"kubectl describe statefulset {server} -n {case.namespace} names the cause"
        return Step(Reason.INITIAL_COPY, f"{server} has no pod yet; if this lasts, {action}", objects)
    if copied and total and copied < total:
        counts = f"{progress.megabytes(copied)} of {progress.megabytes(total)} copied"
        return Step(Reason.INITIAL_COPY, counts + _time_left(case.observed, candidate), objects)
    if copied:
        return Step(Reason.CATCHING_UP, f"{server}: base backup complete; replaying the primary's WAL", objects)
    return Step(Reason.INITIAL_COPY, f"{server}: base backup from the primary in progress", objects)


def _time_left(observed: Observed, candidate: Instance) -> str:
    """Return an estimate of the time left, by the average speed so far."""
    started = (candidate.server or {}).get("metadata", {}).get("creationTimestamp")
    copied, total = observed.copy_progress.get("copied", 0), observed.copy_progress.get("total", 0)
    if not started or not copied:
        return ""
    elapsed = (observed.now - datetime.fromisoformat(started)).total_seconds()
    return f", about {max(1, round(elapsed * (total - copied) / copied))} s left"
