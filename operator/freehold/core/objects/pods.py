"""Pods: builders of templates and containers, and readers of live pods.

All pods satisfy the Pod Security Standard `restricted` (kubernetes.io/docs/concepts/security/pod-security-standards),
write only to volumes and have no ServiceAccount token.
"""

from __future__ import annotations

import json
from typing import Any

from freehold.api.v1alpha1.database import Resources
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
