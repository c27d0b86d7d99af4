"""The causes of pods that do not run, or are not created."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from freehold.core.model.conditions import Reason
from freehold.core.model.resources import Object, Ref
from freehold.core.model.troubles import Refusal
from freehold.core.objects import troubles

from tests.unit.core.objects.kubelet import container, ended, pod, waiting
from tests.unit.core.worlds import NOW, observed

UNSCHEDULABLE = {
    "phase": "Pending",
    "conditions": [
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "0/2 nodes are available: 2 Insufficient memory.",
        }
    ],
}
ENDED_WELL = "users-7d9f-x2x ended with exit code 0 again and again, and a service must run on"
SEE_LOG = "kubectl logs users-7d9f-x2x -n shop --previous shows its log"
BACK_OFF = {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}


@pytest.mark.parametrize(
    ("description", "status", "expected"),
    [
        ("a new pod", {"phase": "Pending"}, None),
        ("a pod whose containers are being created", waiting("ContainerCreating"), None),
        ("a pod that starts", container(state={"running": {}}, started=False), None),
        ("a pod that is ready", container(state={"running": {}}, ready=True), None),
        ("a container that ended well", container(state=ended(0, reason="Completed")), None),
        (
            "a pod that no node takes",
            UNSCHEDULABLE,
            (
                Reason.UNSCHEDULABLE,
                "no node takes pod users-7d9f-x2x: 0/2 nodes are available: 2 Insufficient memory.",
            ),
        ),
        (
            "a missing image",
            waiting("ErrImagePull", "users:1: not found"),
            (
                Reason.IMAGE_PULL_FAILED,
                "image users:1 cannot be pulled: users:1: not found; "
                "push the image, correct its name, or let the nodes pull from its registry",
            ),
        ),
        (
            "an image that is tried again later, without a message",
            waiting("ImagePullBackOff"),
            (
                Reason.IMAGE_PULL_FAILED,
                "image users:1 cannot be pulled: ImagePullBackOff; "
                "push the image, correct its name, or let the nodes pull from its registry",
            ),
        ),
        (
            "a Secret that lacks a key",
            waiting("CreateContainerConfigError", "couldn't find key uri in Secret shop/users-database"),
            (
                Reason.CANNOT_START,
                "container service cannot start: couldn't find key uri in Secret shop/users-database",
            ),
        ),
        (
            "a container that fails again and again",
            container(state={"waiting": BACK_OFF}, lastState=ended(1, "boom")),
            (Reason.CRASH_LOOPING, "users-7d9f-x2x stopped with exit code 1: boom"),
        ),
        (
            "a container that has just failed",
            container(state=ended(2)),
            (Reason.CRASH_LOOPING, "users-7d9f-x2x stopped with exit code 2: the log is empty"),
        ),
        (
            "a container that took too much memory",
            container(state={"running": {}}, lastState=ended(137, reason="OOMKilled")),
            (
                Reason.CRASH_LOOPING,
                "users-7d9f-x2x stopped with exit code 137 (out of memory): the log is empty",
            ),
        ),
        (
            "a container that ended well once, as after a reboot of its node",
            container(state={"running": {}}, lastState=ended(0), restartCount=1),
            None,
        ),
        (
            "a container that ends well again and again",
            container(state={"waiting": BACK_OFF}, lastState=ended(0), restartCount=1),
            (Reason.CRASH_LOOPING, f"{ENDED_WELL}: {SEE_LOG}; correct the image"),
        ),
        (
            "a container that ended well again and again, and runs",
            container(state={"running": {}}, lastState=ended(0, "usage: users COMMAND"), restartCount=2),
            (Reason.CRASH_LOOPING, f"{ENDED_WELL}: usage: users COMMAND; correct the image"),
        ),
        (
            "a container that failed once and is ready again",
            container(state={"running": {}}, lastState=ended(1, "boom"), ready=True),
            None,
        ),
    ],
)
def test_trouble_of_pod(description: str, status: Object, expected: tuple[Reason, str] | None) -> None:
    """The first cause that keeps a pod from running has a reason and a message."""
    assert troubles.of_pods([pod({"phase": "Running"}), pod(status)], observed()) == expected, description


@pytest.mark.parametrize(
    ("description", "log", "expected"),
    [
        ("a password alone", "used Xk3-s3cr3t_word and failed", "used *** and failed"),
        ("a password in a URI", "postgresql://app:Xk3-s3cr3t_word@db/app", "postgresql://app:***@db/app"),
        ("a line of a key", "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMG", "-----BEGIN PRIVATE KEY----- / ***"),
        ("a public value", "no route to users-database.shop.svc", "no route to users-database.shop.svc"),
        ("a word too short to be a secret", "abc", "abc"),
    ],
)
def test_trouble_masks_values_of_secrets(description: str, log: str, expected: str) -> None:
    """Values of the service's Secrets are masked in the log of a failed container."""
    key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMG\n-----END PRIVATE KEY-----\n"
    binding = {"password": "Xk3-s3cr3t_word", "host": "users-database.shop.svc", "another": "abc"}
    secret_data = {"users-database": binding, "users-database-tls": {"tls.key": key}}
    secrets = [
        {
            "kind": "Secret",
            "metadata": {"name": name},
            "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
        }
        for name, data in secret_data.items()
    ]
    trouble = troubles.of_pods([pod(container(state=ended(1, log)))], observed(secrets))
    assert trouble and trouble.message == f"users-7d9f-x2x stopped with exit code 1: {expected}", description


def conditions(ready: str, containers_ready: str, **more: str) -> Object:
    """Return the status of a pod whose container serves, as it was last reported, with conditions Ready and others."""
    states = {"Ready": ready, "ContainersReady": containers_ready}
    reasons = [{"type": kind, "status": "True", "reason": reason} for kind, reason in more.items()]
    listed = [{"type": kind, "status": status} for kind, status in states.items()]
    return {**container(state={"running": {}}, ready=True), "conditions": [*listed, *reasons]}


EVICTED = {"DisruptionTarget": "DeletionByTaintManager"}


@pytest.mark.parametrize(
    ("description", "status", "leaves_before", "lost"),
    [
        ("a pod that serves", conditions("True", "True"), None, False),
        ("a pod whose container is not ready", conditions("False", "False"), None, False),
        ("a pod that the node controller marked", conditions("False", "True"), None, True),
        ("a pod of an older node controller", {"reason": "NodeLost"}, None, True),
        ("a pod that ends", conditions("False", "True"), timedelta(seconds=-20), False),
        ("a pod that was evicted from a lost node", conditions("False", "True", **EVICTED), timedelta(0), True),
        ("a pod that was evicted before it served", conditions("False", "False", **EVICTED), timedelta(0), False),
        ("a pod whose end nobody confirms", conditions("False", "False"), timedelta(seconds=31), True),
    ],
)
def test_node_lost(description: str, status: Object, leaves_before: timedelta | None, lost: bool) -> None:
    """A pod is judged by the node controller's word, not by statuses that a lost kubelet no longer writes."""
    deleted = {} if leaves_before is None else {"deletionTimestamp": (NOW - leaves_before).isoformat()}
    one = pod(status)
    live = {**one, "metadata": {**one["metadata"], **deleted}, "spec": {"nodeName": "node-b"}}
    found = troubles.of_pods([live], observed())
    assert bool(found) == lost, description
    if found:
        assert found.reason is Reason.NODE_LOST
        assert found.message.startswith("node node-b of pod users-7d9f-x2x does not answer; start the node again")
        assert "kubectl taint node node-b node.kubernetes.io/out-of-service=nodeshutdown:NoExecute" in found.message


def test_node_lost_readiness_gate() -> None:
    """A pod with a readiness gate may be not Ready although its containers are."""
    gated = {**pod(conditions("False", "True")), "spec": {"readinessGates": [{"conditionType": "example.com/x"}]}}
    assert troubles.of_pods([gated], observed()) is None


SERVER = Ref("StatefulSet", "users-database")
NOTE = 'create Pod users-database-0 in StatefulSet users-database failed error: pods "users-database-0" is forbidden: x'


@pytest.mark.parametrize(
    ("description", "refusal", "created", "told"),
    [
        ("a refusal", Refusal("uid", NOTE, NOW - timedelta(minutes=1), NOW), None, True),
        ("one of a former object", Refusal("other", NOTE, NOW - timedelta(minutes=1), NOW), None, False),
        ("one that has just begun, and may pass", Refusal("uid", NOTE, NOW - timedelta(seconds=1), NOW), None, False),
        (
            "one that is out of date",
            Refusal("uid", NOTE, NOW - timedelta(hours=3), NOW - timedelta(hours=2)),
            None,
            False,
        ),
        ("one after the last pod", Refusal("uid", NOTE, NOW - timedelta(minutes=1), NOW), timedelta(minutes=2), True),
        ("one before the last pod", Refusal("uid", NOTE, NOW - timedelta(minutes=1), NOW), timedelta(0), False),
    ],
)
def test_refusal_of_pods(description: str, refusal: Refusal, created: timedelta | None, told: bool) -> None:
    """A refusal counts while its object has no newer pod; the message has the words of the API server."""
    owner = {"kind": "StatefulSet", "name": "users-database", "uid": "uid", "controller": True}
    one = pod({})
    born = {"creationTimestamp": (NOW - (created or timedelta(0))).isoformat(), "ownerReferences": [owner]}
    pods = () if created is None else ({**one, "metadata": {**one["metadata"], **born}},)
    server = {"kind": "StatefulSet", "metadata": {"name": "users-database", "uid": "uid"}}
    found = troubles.of_creation(observed([server], pods=pods, refusals={SERVER: refusal}), SERVER)
    expected = (Reason.REFUSED_BY_ADMISSION, 'pods are refused: pods "users-database-0" is forbidden: x')
    assert found == (expected if told else None), description
