"""Pods: builders of templates and containers, and readers of live pods.

All pods satisfy the Pod Security Standard `restricted` (kubernetes.io/docs/concepts/security/pod-security-standards),
write only to volumes and have no ServiceAccount token.
"""

from __future__ import annotations

from typing import Any

from freehold.api.v1alpha1.database import Resources
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
"""The security context of the pod, for containers that a debugger or an admission hook adds later."""
SERVICE: Object = {"requests": {"cpu": "25m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}}
"""The default resources of a container with the service's image."""
DISK = "ephemeral-storage"
SCRATCH: Object = {"requests": {DISK: "64Mi"}, "limits": {DISK: "1Gi"}}
"""The default ephemeral storage, for /tmp and the log; a full disk evicts all pods of the node."""


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


def is_ready(pod: Object) -> bool:
    """Return whether the pod's condition Ready is True."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions", []))


def has_address(pod: Object) -> bool:
    """Return whether the pod has an address and has not ended."""
    status = pod.get("status", {})
    return bool(status.get("podIP")) and status.get("phase") not in ("Succeeded", "Failed")


def running(pod: Object) -> set[str]:
    """Return the names of the pod's containers that currently run."""
    statuses = pod.get("status", {}).get("containerStatuses", [])
    return {status["name"] for status in statuses if "running" in status.get("state", {})}
