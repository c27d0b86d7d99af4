"""Pods: builders of templates and containers, readers of live pods, and causes of failures.

All pods satisfy the Pod Security Standard `restricted` (kubernetes.io/docs/concepts/security/pod-security-standards),
write only to volumes and have no ServiceAccount token.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from freehold.api.v1alpha1.database import Resources
from freehold.core.model.conditions import Reason
from freehold.core.model.resources import Object, Observed, Ref
from freehold.core.objects import meta

CONTAINER_SECURITY: Object = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
POD_SECURITY: Object = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
"""The security context of the pod, for containers that a debugger or an admission hook adds later."""
SERVICE: Object = {"requests": {"cpu": "25m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}}
"""The default resources of a container with the service's image."""
DISK = "ephemeral-storage"
SCRATCH: Object = {"requests": {DISK: "64Mi"}, "limits": {DISK: "1Gi"}}
"""The default ephemeral storage, for /tmp and the log; a full disk evicts all pods of the node."""
LAST_LINES = 3
LINE_LIMIT = 300
IMAGE_REASONS = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
PUBLIC_KEYS = {"type", "provider", "host", "port", "database", "username", "uri", "ca.crt", "tls.crt"}
"""The keys of Freehold's Secrets that need no masking; the password of a URI is masked under its own key."""
SHORTEST_SECRET = 8
"""The minimum length of a masked text; masking shorter texts would make logs unreadable."""
CONFIG_REASONS = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}


class Trouble(NamedTuple):
    """The reason and the message for a pod that does not run."""

    reason: Reason
    message: str


def container(name: str, image: str, resources: Resources | None, default: Object, **body: Any) -> Object:
    """Return a hardened container, whose termination message has the end of the log."""
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "securityContext": CONTAINER_SECURITY,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": _bounded(resources.model_dump(exclude_defaults=True) if resources else default),
        **body,
    }


def _bounded(resources: Object) -> Object:
    """Return resources with default requests and limits of disk, unless either is declared."""
    if any(DISK in part for part in resources.values()):
        return resources
    return {part: {**resources.get(part, {}), **default} for part, default in SCRATCH.items()}


def template(labels: dict[str, str], annotations: dict[str, str], **spec: Any) -> Object:
    """Return a pod template without a ServiceAccount token and without environment variables of other Services."""
    metadata: Object = {"labels": labels}
    if annotations:
        metadata["annotations"] = annotations
    security = {**POD_SECURITY, **spec.pop("securityContext", {})}
    defaults: Object = {"automountServiceAccountToken": False, "enableServiceLinks": False, "securityContext": security}
    return {"metadata": metadata, "spec": {**defaults, **spec}}


def component_pods(observed: Observed, component: str) -> list[Object]:
    """Return the service's pods of a component, without terminating pods and probes."""
    return [
        pod
        for pod in observed.pods
        if component_of(pod) == component
        and meta.PROBE not in pod["metadata"]["labels"]
        and "deletionTimestamp" not in pod["metadata"]
    ]


def component_of(pod: Object) -> str:
    """Return the component of a pod; empty without the label."""
    return str(pod["metadata"]["labels"].get(meta.COMPONENT, ""))


def job_of(pod: Object) -> str:
    """Return the Job that a pod's label names, without a proof (see `of_job`); empty for other pods."""
    return str(pod["metadata"]["labels"].get("batch.kubernetes.io/job-name", ""))


def of_job(observed: Observed, job: str) -> list[Object]:
    """Return the pods of a Job's controller that run the programs of the Job's template.

    A label makes no pod a Job's: whoever may create pods in the namespace could otherwise report results.
    """
    live = observed.objects.get(Ref("Job", job))
    return [pod for pod in observed.pods if live and _is_controlled_by(pod, live) and _runs_template(pod, live)]


def _is_controlled_by(pod: Object, job: Object) -> bool:
    owners = (owner for owner in pod["metadata"].get("ownerReferences", []) if owner.get("controller"))
    return any((owner.get("kind"), owner.get("uid")) == ("Job", job["metadata"].get("uid")) for owner in owners)


def _runs_template(pod: Object, job: Object) -> bool:
    """Return whether each container of the Job's template is in the pod unchanged; others may be injected."""
    programs = _programs(pod.get("spec", {}))
    template = _programs(job.get("spec", {}).get("template", {}).get("spec", {}))
    return all(programs.get(name) == program for name, program in template.items())


def _programs(spec: Object) -> dict[str, tuple[Any, ...]]:
    """Return image, command and arguments of each container."""
    containers = [*spec.get("initContainers", []), *spec.get("containers", [])]
    return {each["name"]: tuple(each.get(key) for key in ("image", "command", "args")) for each in containers}


def termination_message(status: Object) -> dict[str, Any] | None:
    """Return the termination message of a container as a JSON object; None for any other message."""
    try:
        message = json.loads(status.get("state", {}).get("terminated", {}).get("message", ""))
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


def is_ready(pod: Object) -> bool:
    """Return whether the pod's condition Ready is True."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions", []))


def has_address(pod: Object) -> bool:
    """Return whether the pod has an address and has not ended."""
    status = pod.get("status", {})
    return bool(status.get("podIP")) and status.get("phase") not in ("Succeeded", "Failed")


def is_running(pod: Object) -> bool:
    """Return whether a container of the pod currently runs."""
    statuses = pod.get("status", {}).get("containerStatuses", [])
    return any("running" in status.get("state", {}) for status in statuses)


def trouble(pods: Iterable[Object], observed: Observed) -> Trouble | None:
    """Return the first cause that keeps a pod from running, or None; Secrets' values are masked."""
    for pod in pods:
        found = _scheduling_trouble(pod) or _container_trouble(pod, observed)
        if found:
            return found
    return None


def failing_health_check(pods: Iterable[Object]) -> Trouble | None:
    """Return the first started pod whose health check fails, or None."""
    for pod in pods:
        for status in pod.get("status", {}).get("containerStatuses", []):
            if status.get("started") and not status.get("ready") and "running" in status.get("state", {}):
                name = pod["metadata"]["name"]
                message = f"{name} runs, but the health check fails; read the log of the pod"
                return Trouble(Reason.PODS_NOT_READY, message)
    return None


def last_lines(text: str, secret: Iterable[str] = ()) -> str:
    """Return the last lines of a log for a condition, with `secret` texts and recognizable passwords masked."""
    # Masked before lines are cut, since a truncated password is not recognizable.
    for value in secret:
        text = text.replace(value, "***")
    masked = re.sub(r"(://[^:/@\s]+:)[^@\s]+@", r"\1***@", text)
    masked = re.sub(r"(?i)(password['\"]?\s*[=:]\s*)\S+", r"\1***", masked)
    lines = [line.strip() for line in masked.splitlines() if line.strip()]
    return " / ".join(line[:LINE_LIMIT] for line in lines[-LAST_LINES:])


def _secret_lines(observed: Observed) -> list[str]:
    """Return the lines of the passwords and keys in the service's Secrets."""
    secrets = [live.get("data", {}) for ref, live in observed.objects.items() if ref.kind == "Secret"]
    values = [
        base64.b64decode(data[key]).decode(errors="replace") for data in secrets for key in data.keys() - PUBLIC_KEYS
    ]
    lines = [line for value in values for line in value.splitlines()]
    return [line for line in lines if len(line) >= SHORTEST_SECRET and not line.startswith("-----")]


def _scheduling_trouble(pod: Object) -> Trouble | None:
    for condition in pod.get("status", {}).get("conditions", []):
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            cause = condition.get("message", "the scheduler gave no reason")
            return Trouble(Reason.UNSCHEDULABLE, f"no node takes pod {pod['metadata']['name']}: {cause}")
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
    """Return the statuses of the containers; of init and sidecar containers only waiting or restarted ones."""
    status = pod.get("status", {})
    init = [s for s in status.get("initContainerStatuses", []) if s.get("restartCount") or "waiting" in s["state"]]
    return [*init, *status.get("containerStatuses", [])]


def _waiting_trouble(status: Object) -> Trouble | None:
    waiting = status.get("state", {}).get("waiting", {})
    reason, message = waiting.get("reason", ""), waiting.get("message", "").strip()
    if reason in IMAGE_REASONS:
        image = status.get("image", "")
        return Trouble(
            Reason.IMAGE_PULL_FAILED,
            f"image {image} cannot be pulled: {message or reason}; "
            f"push the image, correct its name, or let the nodes pull from its registry",
        )
    if reason in CONFIG_REASONS:
        return Trouble(Reason.CANNOT_START, f"container {status['name']} cannot start: {message or reason}")
    return None


def _exit_trouble(pod: Object, status: Object, observed: Observed) -> Trouble | None:
    states = (status.get("state", {}), status.get("lastState", {}))
    ended = next((s["terminated"] for s in states if s.get("terminated", {}).get("exitCode")), None)
    if ended is None:
        return None
    killed = " (out of memory)" if ended.get("reason") == "OOMKilled" else ""
    log = last_lines(ended.get("message", ""), _secret_lines(observed)) or "the log is empty"
    return Trouble(
        Reason.CRASH_LOOPING,
        f"{pod['metadata']['name']} stopped with exit code {ended['exitCode']}{killed}: {log}",
    )
