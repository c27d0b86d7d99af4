"""Troubles: what keeps pods, a volume or a rollout from working, and which of several is reported."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from freehold.core.model.conditions import Reason


class Trouble(NamedTuple):
    """The reason and the message of a condition that is False."""

    reason: Reason
    message: str


class Refusal(NamedTuple):
    """Refusals of the pods of a StatefulSet or Job, as an Event reports them.

    uid: of the StatefulSet or Job. note: the words of its controller. since: of the first. at: of the last.
    """

    uid: str
    note: str
    since: datetime
    at: datetime


SEVERITY = (
    Reason.VOLUME_BEING_DELETED,
    Reason.NODE_LOST,
    Reason.STORAGE_CLASS_MISSING,
    Reason.VOLUME_FULL,
    Reason.STARTUP_TIMED_OUT,
    Reason.CRASH_LOOPING,
    Reason.CANNOT_START,
    Reason.IMAGE_PULL_FAILED,
    Reason.REFUSED_BY_ADMISSION,
    Reason.UNSCHEDULABLE,
    Reason.PODS_NOT_READY,
    Reason.PROGRESS_DEADLINE_EXCEEDED,
    Reason.VOLUME_CANNOT_GROW,
)
"""The reasons of troubles, the worst first: lost data, no server, no pod, a pod that does not serve, a wish not met."""


def worst(found: Iterable[Trouble | None]) -> Trouble | None:
    """Return the worst of the troubles found, the first of equals; None without any."""
    return min(filter(None, found), key=lambda trouble: SEVERITY.index(trouble.reason), default=None)
