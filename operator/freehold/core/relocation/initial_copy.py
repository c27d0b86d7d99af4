"""Copying: what is told of a move while the server at the destination makes itself."""

from __future__ import annotations

from datetime import datetime

from freehold.core.database import topology
from freehold.core.database.instance import Instance
from freehold.core.model.case import Case
from freehold.core.model.conditions import Reason
from freehold.core.model.resources import Object, Observed
from freehold.core.objects import names, pods
from freehold.core.relocation import progress
from freehold.core.relocation.progress import Step


def step(case: Case, to: Instance, objects: tuple[Object, ...]) -> Step:
    """How far the copy is, or what keeps it from being made."""
    trouble = pods.trouble(topology.server_pods(case, to), case.observed)
    copied, whole = case.observed.copy_progress.get("copied", 0), case.observed.copy_progress.get("total", 0)
    if trouble:
        return Step(Reason.INITIAL_COPY, f"{trouble.message}; it goes on by itself once that is put right", objects)
    if to.server and not topology.server_pods(case, to):
        server = names.instance(case.name, to.number)
        said = f"waits for the pod of {server}; kubectl describe statefulset {server} says what it waits for"
        return Step(Reason.INITIAL_COPY, said, objects)
    if copied and whole and copied < whole:
        return Step(
            Reason.INITIAL_COPY,
            f"{progress.megabytes(copied)} of {progress.megabytes(whole)} copied{_left(case.observed, to)}",
            objects,
        )
    said = f"{names.instance(case.name, to.number)} makes itself from the server that owns the data"
    return Step(Reason.CATCHING_UP if copied else Reason.INITIAL_COPY, said, objects)


def _left(observed: Observed, to: Instance) -> str:
    """An estimate of what is left of the copying, by how long it took so far."""
    begun = (to.server or {}).get("metadata", {}).get("creationTimestamp")
    copied, whole = observed.copy_progress.get("copied", 0), observed.copy_progress.get("total", 0)
    if not begun or not copied:
        return ""
    so_far = (observed.now - datetime.fromisoformat(begun)).total_seconds()
    return f", about {max(1, round(so_far * (whole - copied) / copied))} s left"
