"""Pods: how every one of them is built, and what is the matter with one that does not run.

All pods satisfy the Pod Security Standard `restricted` (kubernetes.io/docs/concepts/security/pod-security-standards),
write to named volumes alone, and hold no ServiceAccount token.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from freehold.api.v1alpha1.database import Resources
from freehold.core.model.conditions import Reason
from freehold.core.model.resources import Object, Observed
from freehold.core.objects import meta

CONTAINER_SECURITY: Object = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
POD_SECURITY: Object = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
"""What can be said of a whole pod, for a container that is added later, as by a debugger or an admission hook."""
SERVICE: Object = {"requests": {"cpu": "25m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}}
"""What a container of a service's image asks for, unless its owner says otherwise."""
DISK = "ephemeral-storage"
SCRATCH: Object = {"requests": {DISK: "64Mi"}, "limits": {DISK: "1Gi"}}
"""Of the node's disk, for /tmp and the log, unless the owner says otherwise: a full disk ends every pod of the node."""
LAST_LINES = 3
LINE_LIMIT = 300
IMAGE_REASONS = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
PUBLIC_KEYS = {"type", "provider", "host", "port", "database", "username", "uri", "ca.crt", "tls.crt"}
"""What anybody may know of a Secret of ours; the password in a URI is one that is known by itself."""
SHORTEST_SECRET = 8
"""Characters; hiding a shorter text would make a riddle of the log around it."""
CONFIG_REASONS = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}


class Trouble(NamedTuple):
    """What keeps a pod from running, in words for its owner."""

    reason: Reason
    message: str


def container(name: str, image: str, asked: Resources | None, usual: Object, **body: Any) -> Object:
    """A hardened container; the end of its log is kept where the operator can read it without access to logs."""
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "securityContext": CONTAINER_SECURITY,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": _bounded(asked.model_dump(exclude_defaults=True) if asked else usual),
        **body,
    }


def _bounded(resources: Object) -> Object:
    """With a bound on the node's disk, where none is named: half a bound could contradict the other half."""
    if any(DISK in part for part in resources.values()):
        return resources
    return {part: {**resources.get(part, {}), **usual} for part, usual in SCRATCH.items()}


def template(labels: dict[str, str], annotations: dict[str, str], **spec: Any) -> Object:
    """A pod template without a token and without the variables of every Service around it."""
    metadata: Object = {"labels": labels}
    if annotations:
        metadata["annotations"] = annotations
    security = {**POD_SECURITY, **spec.pop("securityContext", {})}
    usual: Object = {"automountServiceAccountToken": False, "enableServiceLinks": False, "securityContext": security}
    return {"metadata": metadata, "spec": {**usual, **spec}}


def component_pods(observed: Observed, component: str) -> list[Object]:
    """The service's pods of one component that are not on their way out, without probes."""
    return [
        pod
        for pod in observed.pods
        if component_of(pod) == component
        and meta.PROBE not in pod["metadata"]["labels"]
        and "deletionTimestamp" not in pod["metadata"]
    ]


def component_of(pod: Object) -> str:
    """Which part of its service a pod is."""
    return str(pod["metadata"]["labels"].get(meta.COMPONENT, ""))


def job_of(pod: Object) -> str:
    """The Job that made a pod; empty where none did."""
    return str(pod["metadata"]["labels"].get("batch.kubernetes.io/job-name", ""))


def of_job(observed: Observed, job: str) -> list[Object]:
    """The pods that a Job made."""
    return [pod for pod in observed.pods if job_of(pod) == job]


def last_words(status: Object) -> dict[str, Any] | None:
    """The JSON object that a container left as its termination message; None without one."""
    try:
        said = json.loads(status.get("state", {}).get("terminated", {}).get("message", ""))
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def is_ready(pod: Object) -> bool:
    """Whether the kubelet says so."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions", []))


def has_address(pod: Object) -> bool:
    """Whether it is reached by an address of its own: once it has one, until it has ended."""
    status = pod.get("status", {})
    return bool(status.get("podIP")) and status.get("phase") not in ("Succeeded", "Failed")


def is_running(pod: Object) -> bool:
    """Whether one of its containers runs at this moment."""
    statuses = pod.get("status", {}).get("containerStatuses", [])
    return any("running" in status.get("state", {}) for status in statuses)


def trouble(pods: Iterable[Object], observed: Observed) -> Trouble | None:
    """The first thing that keeps any of these pods from running, if there is one; what is secret is not repeated."""
    for pod in pods:
        found = _scheduling_trouble(pod) or _container_trouble(pod, observed)
        if found:
            return found
    return None


def failing_health_check(pods: Iterable[Object]) -> Trouble | None:
    """The first pod that has started and says of itself that it cannot serve."""
    for pod in pods:
        for status in pod.get("status", {}).get("containerStatuses", []):
            if status.get("started") and not status.get("ready") and "running" in status.get("state", {}):
                name = pod["metadata"]["name"]
                said = f"{name} runs, but its health check says that it cannot serve; its log may say why"
                return Trouble(Reason.PODS_NOT_READY, said)
    return None


def last_lines(text: str, secret: Iterable[str] = ()) -> str:
    """The end of a log, short enough for a condition, without what is secret and other passwords that can be told."""
    # Before lines are cut, for a password whose end is cut off is not known as one.
    for known in secret:
        text = text.replace(known, "***")
    hidden = re.sub(r"(://[^:/@\s]+:)[^@\s]+@", r"\1***@", text)
    hidden = re.sub(r"(?i)(password['\"]?\s*[=:]\s*)\S+", r"\1***", hidden)
    lines = [line.strip() for line in hidden.splitlines() if line.strip()]
    return " / ".join(line[:LINE_LIMIT] for line in lines[-LAST_LINES:])


def _secret_lines(observed: Observed) -> list[str]:
    """The passwords and keys that the service's Secrets hold, line by line."""
    found = [live.get("data", {}) for ref, live in observed.objects.items() if ref.kind == "Secret"]
    values = [
        base64.b64decode(data[key]).decode(errors="replace") for data in found for key in data.keys() - PUBLIC_KEYS
    ]
    lines = [line for value in values for line in value.splitlines()]
    return [line for line in lines if len(line) >= SHORTEST_SECRET and not line.startswith("-----")]


def _scheduling_trouble(pod: Object) -> Trouble | None:
    for condition in pod.get("status", {}).get("conditions", []):
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            said = condition.get("message", "the scheduler gave no reason")
            return Trouble(Reason.UNSCHEDULABLE, f"no node takes pod {pod['metadata']['name']}: {said}")
    return None


def _container_trouble(pod: Object, observed: Observed) -> Trouble | None:
    for status in _statuses(pod):
        if status.get("ready"):
            continue
        found = _waiting_trouble(status) or _exit_trouble(pod, status, observed)
        if found:
            return found
    return None


def _statuses(pod: Object) -> list[Object]:
    """Of its containers; one that runs beside them is ended with them, which is no trouble where it ran only once."""
    status = pod.get("status", {})
    beside = [s for s in status.get("initContainerStatuses", []) if s.get("restartCount") or "waiting" in s["state"]]
    return [*beside, *status.get("containerStatuses", [])]


def _waiting_trouble(status: Object) -> Trouble | None:
    waiting = status.get("state", {}).get("waiting", {})
    reason, said = waiting.get("reason", ""), waiting.get("message", "").strip()
    if reason in IMAGE_REASONS:
        image = status.get("image", "")
        return Trouble(
            Reason.IMAGE_PULL_FAILED,
            f"image {image} cannot be pulled: {said or reason}; "
            f"push it, correct its name, or let the nodes pull from its registry",
        )
    if reason in CONFIG_REASONS:
        return Trouble(Reason.CANNOT_START, f"container {status['name']} cannot start: {said or reason}")
    return None


def _exit_trouble(pod: Object, status: Object, observed: Observed) -> Trouble | None:
    states = (status.get("state", {}), status.get("lastState", {}))
    ended = next((s["terminated"] for s in states if s.get("terminated", {}).get("exitCode")), None)
    if ended is None:
        return None
    killed = " (out of memory)" if ended.get("reason") == "OOMKilled" else ""
    said = last_lines(ended.get("message", ""), _secret_lines(observed)) or "it logged nothing"
    return Trouble(
        Reason.CRASH_LOOPING,
        f"{pod['metadata']['name']} stopped with exit code {ended['exitCode']}{killed}: {said}",
    )
