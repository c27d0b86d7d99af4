"""Builders of pods, and the causes of pods that do not run. The statuses are shortened statuses of a kubelet."""

from __future__ import annotations

import base64

import pytest
from freehold.api.v1alpha1.database import Resources
from freehold.core.model.conditions import Reason
from freehold.core.model.resources import Object
from freehold.core.objects import pods

from tests.unit.core.worlds import observed


def pod(status: Object, *, terminating: bool = False) -> Object:
    """Return a pod of service users."""
    labels = {"app.kubernetes.io/component": "service"}
    deleted = {"deletionTimestamp": "2026-01-02T03:04:05Z"} if terminating else {}
    return {"metadata": {"name": "users-7d9f-x2x", "labels": labels, **deleted}, "status": status}


def container(**status: object) -> Object:
    return {"containerStatuses": [{"name": "service", "image": "users:1", "ready": False, **status}]}


def waiting(reason: str, message: str = "") -> Object:
    return container(state={"waiting": {"reason": reason, "message": message}})


def ended(code: int, message: str = "", reason: str = "Error") -> Object:
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


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
            "a container that failed once and is ready again",
            container(state={"running": {}}, lastState=ended(1, "boom"), ready=True),
            None,
        ),
    ],
)
def test_trouble_of_pod(description: str, status: Object, expected: tuple[Reason, str] | None) -> None:
    """The first cause that keeps a pod from running has a reason and a message."""
    assert pods.trouble([pod({"phase": "Running"}), pod(status)], observed()) == expected, description


@pytest.mark.parametrize(
    ("description", "log", "expected"),
    [
        ("nothing", "", ""),
        ("one line", "boom\n", "boom"),
        ("the last three of many", "a\nb\nc\nd\n\n", "b / c / d"),
        ("without surrounding space", "  a  \n\n\n b", "a / b"),
        (
            "a password of a connection string",
            "cannot connect to postgresql://app:s3cr3t-word@users-database.shop.svc:5432/app",
            "cannot connect to postgresql://app:***@users-database.shop.svc:5432/app",
        ),
        (
            "two passwords on a line",
            "tried postgresql://app:one@a/x, then postgresql://owner:two@b/x",
            "tried postgresql://app:***@a/x, then postgresql://owner:***@b/x",
        ),
        ("a password with slash and colon", "postgresql://app:a/b:c@host/x", "postgresql://app:***@host/x"),
        (
            "an address without a password",
            "http://users.shop.svc:8080/healthz",
            "http://users.shop.svc:8080/healthz",
        ),
    ],
)
def test_last_lines_masked_and_short(description: str, log: str, expected: str) -> None:
    """The last lines of a log, with passwords in URIs masked."""
    assert pods.last_lines(log) == expected, description


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
    trouble = pods.trouble([pod(container(state=ended(1, log)))], observed(secrets))
    assert trouble and trouble.message == f"users-7d9f-x2x stopped with exit code 1: {expected}", description


def test_last_lines_truncated_password_masked() -> None:
    """A password is masked before the line is cut."""
    long = "x" * 270 + " postgresql://app:" + "s3cr3t" * 10 + "@host/app"
    assert "s3cr3t" not in pods.last_lines(long)


def test_last_lines_length_limited() -> None:
    """Long lines are cut to a length for a condition."""
    assert len(pods.last_lines("\n".join(["y" * 5000] * 3))) < 1000


def test_component_pods_without_terminating() -> None:
    """Terminating pods are not listed."""
    world = observed(pods=(pod({}), pod(waiting("ErrImagePull"), terminating=True)))
    assert pods.component_pods(world, "service") == [pod({})]
    assert pods.component_pods(world, "database") == []


def test_pod_running_and_ready() -> None:
    """A pod is running and ready as the kubelet reports."""
    running = pod({**container(state={"running": {}}), "conditions": [{"type": "Ready", "status": "True"}]})
    assert pods.is_running(running) and pods.is_ready(running)
    assert not pods.is_running(pod({})) and not pods.is_ready(pod({}))
    assert not pods.is_running(pod(container(state=ended(0))))


def test_container_disk_limit_default() -> None:
    """Declared resources without disk get the default request and limit of disk."""
    limits = {"limits": {"memory": "1Gi"}}
    bounded = pods.container("service", "users:1", Resources.model_validate(limits), {})["resources"]
    assert bounded == {
        "requests": {"ephemeral-storage": "64Mi"},
        "limits": {"memory": "1Gi", "ephemeral-storage": "1Gi"},
    }


def test_container_disk_limit_declared() -> None:
    """A declared limit of disk gets no default request."""
    declared = {"limits": {"ephemeral-storage": "32Mi"}}
    resources = Resources.model_validate(declared)
    assert pods.container("service", "users:1", resources, {})["resources"] == declared


def test_template_pod_security_context() -> None:
    """The pod's security context also covers containers added later."""
    security = pods.template({}, {}, securityContext={"fsGroup": 999})["spec"]["securityContext"]
    assert security == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, "fsGroup": 999}
