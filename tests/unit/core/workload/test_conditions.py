"""Condition EndpointReady: what is said of pods that do not serve."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from freehold.core import workload
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State
from freehold.core.model.resources import Object, Observed, Ref, Service
from freehold.core.objects import meta

from tests.unit.core.worlds import DATABASE, observed, service, settled

LABELS = {meta.COMPONENT: meta.SERVICE}
PLAIN = service(replicas=2)


def pod(name: str, *, ready: bool = False, **status: Any) -> Object:
    """Return a pod of the service, whose container runs unless the status says otherwise."""
    container = {"name": "service", "image": "users:1", "ready": ready, "state": {"running": {}}, **status}
    conditions = [{"type": "Ready", "status": str(ready)}]
    metadata = {"name": name, "namespace": "shop", "labels": LABELS}
    return {"metadata": metadata, "status": {"conditions": conditions, "containerStatuses": [container]}}


def condition(seen: Observed, subject: Service = PLAIN) -> Condition:
    found = workload.plan(Case(subject, seen)).condition
    assert found
    return found


def world(*pods: Object, subject: Service = PLAIN, progressing: str = "", **status: int) -> Observed:
    """Return a service at rest, then with other pods and counts. progressing: the reason of condition Progressing."""
    seen, ref = settled(subject, observed()), Ref("Deployment", "users")
    live = seen.objects[ref]
    conditions = [{"type": "Progressing", "reason": progressing}] if progressing else []
    changed = {**live, "status": {**live["status"], **status, "conditions": conditions}}
    return replace(seen, objects={**seen.objects, ref: changed}, pods=pods)


@pytest.mark.parametrize(
    ("description", "status", "message"),
    [
        ("a first start", {"availableReplicas": 0}, "0 of 2 pods serve; 2 start"),
        ("the start of one more pod", {"availableReplicas": 1}, "1 of 2 pods serve; 1 starts"),
        ("the end of one pod", {"availableReplicas": 3, "replicas": 3, "updatedReplicas": 3}, None),
        ("a new template", {"replicas": 3, "updatedReplicas": 1}, "2 of 2 pods serve; a rollout is under way"),
    ],
)
def test_progress(description: str, status: dict[str, int], message: str | None) -> None:
    """A rollout is one of a new template; other pods start or end."""
    found = condition(world(**status))
    assert (found.state, found.reason) == (State.UNKNOWN, Reason.ROLLING_OUT)
    assert found.message == (message or "3 of 2 pods serve; the others end"), description


def test_unready_pod_beside_others() -> None:
    """The pods that serve are those beside the one in trouble, whatever the Deployment counted last."""
    unhealthy = pod("users-a", started=True)
    alone = condition(world(unhealthy, progressing="NewReplicaSetAvailable", availableReplicas=1))
    assert (alone.state, alone.reason) == (State.FALSE, Reason.PODS_NOT_READY)
    assert alone.message == "users-a runs, but the health check fails; read the log of the pod"
    beside = condition(world(unhealthy, pod("users-b", ready=True), progressing="NewReplicaSetAvailable"))
    assert beside.message == f"{alone.message}; 1 other pod serves"


@pytest.mark.parametrize(
    ("description", "pods", "known"),
    [
        (
            "a pod that never serves",
            [pod("users-a", ready=True), pod("users-b", started=False)],
            "users-b runs, and its health check has not succeeded; kubectl logs users-b -n shop; 1 other pod serves",
        ),
        (
            "a pod that does not start",
            [pod("users-b", state={"waiting": {"reason": "ContainerCreating"}})],
            "users-b has not started; kubectl describe pod users-b -n shop",
        ),
        ("no pod", [], "kubectl describe deployment users -n shop"),
    ],
)
def test_rollout_stalled(description: str, pods: list[Object], known: str) -> None:
    """A rollout without progress is no longer in progress; the message says what is known."""
    found = condition(world(*pods, progressing="ProgressDeadlineExceeded", updatedReplicas=1))
    assert (found.state, found.reason) == (State.FALSE, Reason.PROGRESS_DEADLINE_EXCEEDED)
    assert found.message == f"no further pod has become ready for 180 s; {known}", description


def test_startup_timed_out_is_no_crash() -> None:
    """A container that was ended for a slow start is reported as such, whatever its exit code; a lost node is worse."""
    ended = {"exitCode": 137, "startedAt": "2026-01-02T03:00:00Z", "finishedAt": "2026-01-02T03:02:10Z"}
    late = pod("users-a", started=False, lastState={"terminated": ended})
    late["spec"] = {"containers": [{"name": "service", "startupProbe": {"periodSeconds": 1, "failureThreshold": 120}}]}
    found = condition(world(late, progressing="ProgressDeadlineExceeded", updatedReplicas=1))
    assert (found.state, found.reason) == (State.FALSE, Reason.STARTUP_TIMED_OUT)
    lost = pod("users-b", ready=True)
    lost["status"]["conditions"] = [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}]
    assert condition(world(late, lost)).reason is Reason.NODE_LOST


def test_rollout_stalls_after_the_longest_start() -> None:
    """A start that takes as long as it may is no rollout without progress."""
    for timeout, seconds in ((None, 180), ("10min", 660)):
        subject = service(startupTimeout=timeout)
        live = settled(subject, observed()).objects[Ref("Deployment", "users")]
        assert live["spec"]["progressDeadlineSeconds"] == seconds


def test_rollout_stalled_of_former_template() -> None:
    """What the Deployment's controller said of the template before is not believed."""
    seen, ref = world(progressing="ProgressDeadlineExceeded", replicas=3, updatedReplicas=1), Ref("Deployment", "users")
    live = seen.objects[ref]
    newer = {**live, "metadata": {**live["metadata"], "generation": live["metadata"]["generation"] + 1}}
    assert condition(replace(seen, objects={**seen.objects, ref: newer})).reason is Reason.ROLLING_OUT


def test_connections_exhausted() -> None:
    """The limit that a pod has reached is named."""
    words = 'connection failed: FATAL:  too many connections for role "app"'
    ended = {"terminated": {"exitCode": 1, "message": words}}
    subject = service(database={**DATABASE, "limits": {"connections": 8}})
    found = condition(world(pod("users-a", state=ended), subject=subject), subject)
    assert found.reason is Reason.CRASH_LOOPING
    assert found.message == (
        f"users-a stopped with exit code 1: {words}; use fewer connections, or raise "
        "spec.database.limits.connections (8)"
    )


def test_connections_for_both_templates() -> None:
    """In a rollout, pods of the new template get as many connections as those of the old one hold."""
    subject = service(database={**DATABASE, "limits": {"connections": 8}})
    (container,) = settled(subject, observed()).objects[Ref("StatefulSet", "users-database")]["spec"]["template"][
        "spec"
    ]["containers"]
    assert {"name": "CONNECTIONS", "value": "16"} in container["env"]
    assert "max_connections=36" in container["command"], "migrations, moves and people have twenty besides"
