"""Containers that were ended because they did not start in time, told from those that crashed.

The statuses are shortened statuses of a kubelet: the pod was created at 12:00:00, its container began at 12:00:05.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from freehold.core.model.conditions import Reason
from freehold.core.model.resources import Object
from freehold.core.objects import startup

from tests.unit.core.worlds import observed

BEGAN = datetime(2026, 1, 2, 12, 0, 5, tzinfo=UTC)
LONGEST = {"periodSeconds": 2**31 - 1, "failureThreshold": 2**31 - 1}
IMMENSE: Object = {
    "terminationGracePeriodSeconds": 2**63 - 1,
    "containers": [{"name": "service", "startupProbe": LONGEST}],
}
BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff"}}


def at(seconds: float) -> str:
    return (BEGAN + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def ended(code: int, after: float, reason: str = "Error", message: str = "") -> Object:
    times = {"startedAt": at(0), "finishedAt": at(after)}
    return {"terminated": {"exitCode": code, "reason": reason, "message": message, **times}}


def pod(last: Object, state: Object | None = None, *, ready_changed: float = -5, **status: Any) -> Object:
    """Return a pod whose probe allows 120 s. ready_changed: the seconds from the start to condition Ready's change."""
    own = {"name": "service", "ready": False, "started": False, "restartCount": 1, "lastState": last}
    probe = {"periodSeconds": 1, "failureThreshold": 120}
    containers = [{"name": "service", "startupProbe": probe}, {"name": "injected"}]
    injected = {"name": "injected", "ready": True, "started": True, "lastState": ended(0, 121)}
    return {
        "metadata": {"name": "users-7d9f-x2x", "labels": {}},
        "spec": {"terminationGracePeriodSeconds": 36, "containers": containers},
        "status": {
            "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": at(ready_changed)}],
            "containerStatuses": [injected, {**own, "state": state or BACK_OFF, **status}],
        },
    }


@pytest.mark.parametrize(
    ("says", "subject"),
    [
        ("leaves well on SIGTERM", pod(ended(0, 121, "Completed"))),
        ("ends by SIGTERM", pod(ended(143, 126))),
        ("ends by SIGKILL after the grace period", pod(ended(137, 156))),
        ("runs again", pod(ended(143, 121), {"running": {"startedAt": at(122)}})),
        ("just ended", pod({}, ended(143, 121))),
        ("answers each attempt too late", pod(ended(137, 250))),
    ],
)
def test_startup_timed_out(says: str, subject: Object) -> None:
    """A container that ran as long as its probe allows, and was not ready meanwhile, was ended by the kubelet."""
    found = startup.trouble([subject], observed())
    assert found and found.reason is Reason.STARTUP_TIMED_OUT, says
    assert found.message == (
        "users-7d9f-x2x was ended because it did not become ready within 120 s; "
        "raise spec.startupTimeout if the service needs longer to start, or read the log of the pod"
    )


@pytest.mark.parametrize(
    ("says", "subject"),
    [
        ("crashed early", pod(ended(1, 3))),
        ("was killed early by somebody", pod(ended(137, 60))),
        ("ran out of memory", pod(ended(137, 121, "OOMKilled"))),
        ("was ready before it ended", pod(ended(137, 130), ready_changed=130)),
        ("ran for long, so that the probe had succeeded", pod(ended(143, 3600))),
        ("started since", pod(ended(143, 121), {"running": {}}, started=True)),
        ("has no image any more", pod(ended(143, 121), {"waiting": {"reason": "ImagePullBackOff"}})),
        ("starts for the first time", pod({}, {"running": {}})),
        ("declares more than any time", {**pod(ended(143, 121)), "spec": IMMENSE}),
        ("has no status of containers", {"metadata": {"name": "users"}, "status": {}}),
    ],
)
def test_startup_otherwise(says: str, subject: Object) -> None:
    """Other ends are not taken for a start that took too long."""
    assert startup.trouble([subject], observed()) is None, says


def test_startup_quotes_the_log() -> None:
    """The last lines follow, with secrets masked."""
    found = startup.trouble([pod(ended(143, 121, message="loading\npassword=hunter2\n"))], observed())
    assert found and found.message.endswith("or read the log of the pod: loading / password=***")
