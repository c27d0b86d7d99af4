"""Withdrawal: the end of the tie between both sides of a move of data, once the source takes its edit back.

`status.counterpart` of the source keeps both sides of a move tied after the edit is taken back: an instance at the
destination that follows this side's data is ended in order, and a switchover that has begun is finished. The tie is no
consent: without a switchover it ends at once, and the destination's owner cannot hold it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from freehold.core.database import connection, topology
from freehold.core.database.switchover_jobs import ROLE
from freehold.core.model.case import Case, fact
from freehold.core.model.resources import Object
from freehold.core.objects import meta
from freehold.core.peers import aliases, counterpart

NOTICE = timedelta(seconds=10)
"""From the withdrawal until the tie ends: a switchover that the destination has just started becomes visible here."""
SWITCHOVER = timedelta(minutes=10)
"""From the withdrawal until the tie ends despite a switchover: a Job that never ends is no reason to stay tied. The
switchover itself gives up after three minutes."""


class Tie(NamedTuple):
    """The tie of a source to the destination of a move.

    namespace: of the destination. withdrawn_at: when the source took the edit back before any switchover; None for a
    declared or a completed move. ends: when the tie ends by itself, or None.
    """

    namespace: str
    withdrawn_at: datetime | None = None
    ends: datetime | None = None


@fact
def tie(case: Case) -> Tie | None:
    """Return the tie to the destination while an instance there follows this side's data; None without a tie."""
    other = counterpart.with_database(case)
    if other is None or case.observed.aliases.get(case.key) != other or not topology.remote_standbys(case):
        return None
    if aliases.destination(case.service) == other or topology.primary(case).counterpart:
        return Tie(other.namespace)
    if until := _returned_until(case):
        return Tie(other.namespace, None, until)
    recorded = case.observed.status.get("withdrawnAt")
    withdrawn_at = datetime.fromisoformat(recorded) if recorded else case.observed.now
    ends = withdrawn_at + (SWITCHOVER if _is_switching_over(case) else NOTICE)
    return Tie(other.namespace, withdrawn_at, ends) if case.observed.now < ends else None


def _returned_until(case: Case) -> datetime | None:
    """Return the end of the rollback window if the data has returned from the destination; else None."""
    until = topology.rollback_until(case)
    returned = connection.came_from_counterpart(case) and any(i.epoch for i in topology.remote_standbys(case))
    return until if until and returned and case.observed.now < until else None


def _is_switching_over(case: Case) -> bool:
    """Return whether a switchover Job of the destination exists, or a pod of one; Jobs of clusters are not seen."""
    return any(_is_switchover(ref.kind, live) for ref, live in counterpart.objects(case).items())


def _is_switchover(kind: str, live: Object) -> bool:
    if kind == "Job":
        labels = live.get("spec", {}).get("template", {}).get("metadata", {}).get("labels", {})
        return bool(labels.get(meta.ROLE) == ROLE)
    ended = live.get("status", {}).get("phase") in ("Succeeded", "Failed")
    return kind == "Pod" and live["metadata"].get("labels", {}).get(meta.ROLE) == ROLE and not ended
