"""The way back after a move: whether the old primary still follows the new one."""

from __future__ import annotations

from datetime import datetime, timedelta

from freehold.core.database import topology
from freehold.core.model.case import Case
from freehold.core.objects import meta, names, troubles

START = timedelta(minutes=3)
"""From the switchover until the old primary has to follow the new one: a restart, and a rewind."""


def fault(case: Case) -> str:
    """Return why no rollback is possible at present; empty if one is, soon will be, or the rollback window has ended.

    A standby that has received no WAL for a minute restarts and is not ready until it has caught up (standby.sh).
    """
    standbys, due = topology.of(case).rollback_standbys, deadline(case)
    if due is None or standbys[-1].is_ready:
        return ""
    if trouble := troubles.of_pods(topology.server_pods(case, standbys[-1]), case.observed):
        return trouble.message
    name = names.instance_pod(case.name, standbys[-1].number)
    state = f"{name} does not follow the primary; see kubectl logs {name} -n {case.namespace}"
    return "" if case.observed.now < due else state


def deadline(case: Case) -> datetime | None:
    """Return when the rollback standby has to be ready; None without a rollback standby."""
    promoted = topology.primary(case).annotation(meta.PROMOTED_AT)
    return datetime.fromisoformat(promoted) + START if promoted and topology.of(case).rollback_standbys else None
