"""Backups: whether the data that is to move was backed up lately, as whoever makes the backups says.

Freehold makes none itself, so the resource that has the data is annotated with the time of the last one. Of a move
between namespaces that is the side that the data leaves; either side may ask for a backup, and the shorter time counts.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from freehold.core.database.instance import Instance
from freehold.core.model import remote
from freehold.core.model.case import Case
from freehold.core.model.quantities import duration
from freehold.core.model.resources import Key
from freehold.core.objects import meta

EXAMPLE = "2026-11-28T00:00:00Z"
CLOCK_SKEW = timedelta(minutes=5)
"""How far the clock of whoever makes the backups may be ahead."""


def missing(case: Case, now: Instance) -> str:
    """Why no copy of the data may be begun until there is a backup; empty where there is one, or none is asked for."""
    has, said = case.key, case.service.annotations.get(meta.LAST_BACKUP_AT, "")
    asked = [case.spec.placement.max_backup_age]
    if now.abroad:
        has = Key(now.abroad, case.name)
        said = case.observed.peers[has].last_backup_at
        asked.append(case.observed.peers[has].max_backup_age)
    within = min((text for text in asked if text), key=duration, default="")
    fault = _fault(said, within, case.observed.now) if within else ""
    if not fault:
        return ""
    needed = f"spec.placement.maxBackupAge asks for one within {within}"
    namespace, there = remote.local_name(has.namespace), remote.cluster(has.namespace)
    command = f"kubectl annotate microservice {has.name} -n {namespace} {meta.LAST_BACKUP_AT}=TIME --overwrite"
    where = f" in cluster {there}" if there else ""
    return f"{fault}, and {needed}; once there is one, say when it was made{where}, like {EXAMPLE}: {command}"


def _fault(said: str, within: str, now: datetime) -> str:
    """What is wrong with the time that is said of the last backup."""
    if not said:
        return "no backup of the data is known"
    made, shown = _time(said), said[:40]  # an annotation may be as long as a book
    if made is None:
        return f"the last backup of the data is said to be of {shown!r}, which is no time with a time zone"
    if made > now + CLOCK_SKEW:
        return f"the last backup of the data is said to be of {shown}, which is yet to come"
    return f"the last backup of the data is of {shown}" if now - made > duration(within) else ""


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None
