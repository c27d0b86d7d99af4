"""Containers that the kubelet ended because the startup probe did not succeed in time.

No field of a pod's status says so. The kubelet's Event does, and the operator reads no Events of pods. Hence the times
decide: the container ran for as long as the probe allows, and the pod was not ready meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from freehold.core.model.conditions import Reason
from freehold.core.model.resources import Object, Observed
from freehold.core.model.troubles import Trouble
from freehold.core.objects import logs

ROUNDING = 2
"""Seconds: times in a status are in whole seconds, and the first attempt precedes the first period."""
SLACK = 15
"""The seconds of a kubelet that is busy, until the container is ended."""


def trouble(running: Iterable[Object], observed: Observed) -> Trouble | None:
    """Return the first container that was ended because it did not start in time, and is to start again; or None."""
    for pod in running:
        for status in pod.get("status", {}).get("containerStatuses", []):
            allowed = _allowed(pod, status["name"])
            ended = _last_end(status)
            if allowed and ended and _timed_out(pod, ended, allowed):
                return Trouble(Reason.STARTUP_TIMED_OUT, _message(pod, allowed, ended, observed))
    return None


def _message(pod: Object, allowed: int, ended: Object, observed: Observed) -> str:
    state = f"{pod['metadata']['name']} was ended because it did not become ready within {allowed} s"
    action = "raise spec.startupTimeout if the service needs longer to start, or read the log of the pod"
    log = logs.telling_lines(ended.get("message", ""), logs.secret_lines(observed))
    return f"{state}; {action}: {log}" if log else f"{state}; {action}"


def _allowed(pod: Object, container: str) -> int | None:
    """Return the seconds that a container's startup probe allows; None without a probe."""
    containers = pod.get("spec", {}).get("containers", [])
    probe = next((one.get("startupProbe") for one in containers if one["name"] == container), None)
    return int(probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)) if probe else None


def _last_end(status: Object) -> Object | None:
    """Return the last end of a container that has not started since; None if a newer trouble keeps it from running."""
    waits_for = status.get("state", {}).get("waiting", {}).get("reason", "")
    if status.get("started") or status.get("ready") or waits_for not in ("", "CrashLoopBackOff"):
        return None
    ended: Object | None = status.get("lastState", {}).get("terminated") or status.get("state", {}).get("terminated")
    return ended if ended and ended.get("startedAt") and ended.get("finishedAt") else None


def _timed_out(pod: Object, ended: Object, allowed: int) -> bool:
    began = _time(ended["startedAt"])
    ran = (_time(ended["finishedAt"]) - began).total_seconds()
    # In seconds, not in timedelta: a pod of anybody's may declare more than a timedelta holds.
    grace = pod.get("spec", {}).get("terminationGracePeriodSeconds", 30)
    # An attempt that gets no answer lasts a second, and delays the next one.
    lasted = allowed - ROUNDING <= ran <= 2 * allowed + grace + SLACK
    return bool(lasted) and ended.get("reason") != "OOMKilled" and not _was_ready_since(pod, began)


def _was_ready_since(pod: Object, began: datetime) -> bool:
    """Return whether the pod became ready, or stopped being so, after a time: condition Ready changes with each."""
    listed = pod.get("status", {}).get("conditions", [])
    changes = [one.get("lastTransitionTime") for one in listed if one["type"] == "Ready"]
    return any(change and _time(change) > began for change in changes)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
