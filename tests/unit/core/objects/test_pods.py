"""How pods are built, and what ails one, in words for its owner. The statuses are a kubelet's, shortened."""

from __future__ import annotations

import base64

import pytest
from freehold.api.v1alpha1.database import Resources
from freehold.core.model.conditions import Reason
from freehold.core.model.resources import Object
from freehold.core.objects import pods

from tests.unit.core.worlds import observed


def pod(status: Object, *, leaving: bool = False) -> Object:
    """A pod of users' service with this status."""
    labels = {"app.kubernetes.io/component": "service"}
    gone = {"deletionTimestamp": "2026-01-02T03:04:05Z"} if leaving else {}
    return {"metadata": {"name": "users-7d9f-x2x", "labels": labels, **gone}, "status": status}


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
    ("says", "status", "expected"),
    [
        ("a pod that was just made", {"phase": "Pending"}, None),
        ("a pod whose containers are being created", waiting("ContainerCreating"), None),
        ("a pod that starts", container(state={"running": {}}, started=False), None),
        ("a pod that is ready", container(state={"running": {}}, ready=True), None),
        ("a container that ended well", container(state=ended(0, reason="Completed")), None),
        (
            "a pod no node takes",
            UNSCHEDULABLE,
            (
                Reason.UNSCHEDULABLE,
                "no node takes pod users-7d9f-x2x: 0/2 nodes are available: 2 Insufficient memory.",
            ),
        ),
        (
            "an image that is not there",
            waiting("ErrImagePull", "users:1: not found"),
            (
                Reason.IMAGE_PULL_FAILED,
                "image users:1 cannot be pulled: users:1: not found; "
                "push it, correct its name, or let the nodes pull from its registry",
            ),
        ),
        (
            "an image that is tried again later, without a message",
            waiting("ImagePullBackOff"),
            (
                Reason.IMAGE_PULL_FAILED,
                "image users:1 cannot be pulled: ImagePullBackOff; "
                "push it, correct its name, or let the nodes pull from its registry",
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
            (Reason.CRASH_LOOPING, "users-7d9f-x2x stopped with exit code 2: it logged nothing"),
        ),
        (
            "a container that took too much memory",
            container(state={"running": {}}, lastState=ended(137, reason="OOMKilled")),
            (
                Reason.CRASH_LOOPING,
                "users-7d9f-x2x stopped with exit code 137 (out of memory): it logged nothing",
            ),
        ),
        (
            "a container that failed once and is ready again",
            container(state={"running": {}}, lastState=ended(1, "boom"), ready=True),
            None,
        ),
    ],
)
def test_trouble(says: str, status: Object, expected: tuple[Reason, str] | None) -> None:
    assert pods.trouble([pod({"phase": "Running"}), pod(status)], observed()) == expected, says


@pytest.mark.parametrize(
    ("says", "log", "shown"),
    [
        ("nothing", "", ""),
        ("one line", "boom\n", "boom"),
        ("the last three of many", "a\nb\nc\nd\n\n", "b / c / d"),
        ("without the space around them", "  a  \n\n\n b", "a / b"),
        (
            "a password of a connection string is not shown",
            "cannot connect to postgresql://app:s3cr3t-word@users-database.shop.svc:5432/app",
            "cannot connect to postgresql://app:***@users-database.shop.svc:5432/app",
        ),
        (
            "nor any other on the same line",
            "tried postgresql://app:one@a/x, then postgresql://owner:two@b/x",
            "tried postgresql://app:***@a/x, then postgresql://owner:***@b/x",
        ),
        ("nor one with a slash or colon in it", "postgresql://app:a/b:c@host/x", "postgresql://app:***@host/x"),
        (
            "an address without a password stays",
            "http://users.shop.svc:8080/healthz",
            "http://users.shop.svc:8080/healthz",
        ),
    ],
)
def test_last_lines(says: str, log: str, shown: str) -> None:
    assert pods.last_lines(log) == shown, says


@pytest.mark.parametrize(
    ("says", "log", "shown"),
    [
        ("a password by itself", "used Xk3-s3cr3t_word and failed", "used *** and failed"),
        ("in a URI, whose host stays", "postgresql://app:Xk3-s3cr3t_word@db/app", "postgresql://app:***@db/app"),
        ("a line of a key", "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMG", "-----BEGIN PRIVATE KEY----- / ***"),
        ("what anybody may know", "no route to users-database.shop.svc", "no route to users-database.shop.svc"),
        ("a word too short to be a secret", "abc", "abc"),
    ],
)
def test_what_a_secret_holds_is_not_repeated(says: str, log: str, shown: str) -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMG\n-----END PRIVATE KEY-----\n"
    binding = {"password": "Xk3-s3cr3t_word", "host": "users-database.shop.svc", "another": "abc"}
    held = {"users-database": binding, "users-database-tls": {"tls.key": key}}
    secrets = [
        {
            "kind": "Secret",
            "metadata": {"name": name},
            "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
        }
        for name, data in held.items()
    ]
    found = pods.trouble([pod(container(state=ended(1, log)))], observed(secrets))
    assert found and found.message == f"users-7d9f-x2x stopped with exit code 1: {shown}", says


def test_a_password_is_not_shown_where_the_line_is_cut_off_behind_it() -> None:
    long = "x" * 270 + " postgresql://app:" + "s3cr3t" * 10 + "@host/app"
    assert "s3cr3t" not in pods.last_lines(long)


def test_a_line_is_cut_short_enough_for_a_condition() -> None:
    assert len(pods.last_lines("\n".join(["y" * 5000] * 3))) < 1000


def test_a_pod_on_its_way_out_is_nobodys_trouble() -> None:
    seen = observed(pods=(pod({}), pod(waiting("ErrImagePull"), leaving=True)))
    assert pods.component_pods(seen, "service") == [pod({})]
    assert pods.component_pods(seen, "database") == []


def test_running_and_ready_are_what_the_kubelet_says() -> None:
    running = pod({**container(state={"running": {}}), "conditions": [{"type": "Ready", "status": "True"}]})
    assert pods.is_running(running) and pods.is_ready(running)
    assert not pods.is_running(pod({})) and not pods.is_ready(pod({}))
    assert not pods.is_running(pod(container(state=ended(0))))


def test_no_container_may_fill_its_nodes_disk() -> None:
    limits = {"limits": {"memory": "1Gi"}}
    bounded = pods.container("service", "users:1", Resources.model_validate(limits), {})["resources"]
    assert bounded == {
        "requests": {"ephemeral-storage": "64Mi"},
        "limits": {"memory": "1Gi", "ephemeral-storage": "1Gi"},
    }


def test_an_owner_who_names_a_bound_on_the_disk_gets_that_and_no_other() -> None:
    asked = {"limits": {"ephemeral-storage": "32Mi"}}
    assert pods.container("service", "users:1", Resources.model_validate(asked), {})["resources"] == asked


def test_what_holds_for_a_container_that_is_added_later_is_said_of_the_pod() -> None:
    security = pods.template({}, {}, securityContext={"fsGroup": 999})["spec"]["securityContext"]
    assert security == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, "fsGroup": 999}
