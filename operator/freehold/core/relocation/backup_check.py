"""Backup check: a move that asks for a recent backup starts only after somebody has recorded one.

Freehold makes no backups. Annotation freehold.dev/last-backup-at on the Microservice that owns the data records the
time of the last backup. In a move between namespaces either side may set `maxBackupAge`; the shorter age counts.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from freehold.core.database import topology
from freehold.core.model import remote
from freehold.core.model.case import Case
from freehold.core.model.quantities import duration
from freehold.core.model.resources import Key
from freehold.core.objects import meta

EXAMPLE = "2026-11-28T00:00:00Z"
CLOCK_SKEW = timedelta(minutes=5)
"""How far in the future a recorded time may be."""
LONGEST_QUOTE = 40
"""Characters of an unreadable annotation that a message repeats."""


def missing(case: Case) -> str:
    """Return why no initial copy may start; empty if no backup is required or a recent one is recorded."""
    owner, recorded = case.key, case.service.annotations.get(meta.LAST_BACKUP_AT, "")
    ages = [case.spec.placement.max_backup_age]
    if namespace := topology.primary(case).counterpart:
        owner = Key(namespace, case.name)
        recorded = case.observed.peers[owner].last_backup_at
        ages.append(case.observed.peers[owner].max_backup_age)
    max_age = min((age for age in ages if age), key=duration, default="")
    fault = _fault(recorded, max_age, case.observed.now) if max_age else ""
    return f"{fault}; {_action(owner, max_age)}" if fault else ""


def _action(owner: Key, max_age: str) -> str:
    namespace, cluster = remote.local_name(owner.namespace), remote.cluster(owner.namespace)
    command = f"kubectl annotate microservice {owner.name} -n {namespace} {meta.LAST_BACKUP_AT}=TIME --overwrite"
    where = f" in cluster {cluster}" if cluster else ""
    required = f"spec.placement.maxBackupAge requires one within {max_age}"
    return f"{required}; make a backup and record its time{where}, like {EXAMPLE}: {command}"


def _fault(recorded: str, max_age: str, now: datetime) -> str:
    """Return what is wrong with the recorded time of the last backup."""
    if not recorded:
        return "no backup of the data is recorded"
    made, quoted = _time(recorded), recorded[:LONGEST_QUOTE]
    if made is None:
        return f"the recorded time of the last backup, {quoted!r}, is no time with a time zone"
    if made > now + CLOCK_SKEW:
        return f"the recorded time of the last backup, {quoted}, is in the future"
    return f"the last backup of the data is of {quoted}" if now - made > duration(max_age) else ""


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else None
