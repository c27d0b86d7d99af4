"""Jobs: their ends, their pods, and what their own containers answer."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from freehold.core.model.resources import Object, Observed, Ref

CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
"""The fields of a pod with containers."""


def ended(job: Object | None) -> datetime | None:
    """Return when a Job completed or failed; None before."""
    ends = (c for c in (job or {}).get("status", {}).get("conditions", []) if c["type"] in ("Complete", "Failed"))
    return next((datetime.fromisoformat(c["lastTransitionTime"]) for c in ends if c["status"] == "True"), None)


def finished(job: Object | None, outcome: str) -> bool:
    """Return whether a Job ended with an outcome: `Complete` or `Failed`."""
    conditions = job.get("status", {}).get("conditions", []) if job else []
    return any(c["type"] == outcome and c["status"] == "True" for c in conditions)


def ended_at(observed: Observed, name: str, *own: str) -> datetime | None:
    """Return when a Job ended, or its own containers, which are not restarted; an injected one may go on for ever."""
    if end := ended(observed.objects.get(Ref("Job", name))):
        return end
    for pod in pods_of(observed, name, *own):
        ends = [end for status in pod["status"]["containerStatuses"] if (end := container_ended(status))]
        if len(ends) == len(own):
            return max(ends)
    return None


def container_ended(status: Object) -> datetime | None:
    """Return when a container ended, by its status; None before."""
    end = status.get("state", {}).get("terminated", {}).get("finishedAt")
    return datetime.fromisoformat(end) if end else None


def has_succeeded(pod: Object, container: str) -> bool:
    """Return whether a container of the pod ended with exit code 0, whatever else goes on in the pod."""
    statuses = pod.get("status", {}).get("containerStatuses", [])
    ended = (status.get("state", {}).get("terminated") or {} for status in statuses if status["name"] == container)
    return any(state.get("exitCode") == 0 for state in ended)


def job_of(pod: Object) -> str:
    """Return the Job that a pod's label names, without a proof (see `pods_of`); empty for other pods."""
    return str(pod["metadata"]["labels"].get("batch.kubernetes.io/job-name", ""))


def pods_of(observed: Observed, job: str, *own: str) -> list[Object]:
    """Return the pods of a Job's controller that run the programs of the Job's template.

    A label makes no pod a Job's: whoever may create pods in the namespace could otherwise report results.
    own: the containers whose statuses are returned, since an admission webhook may add others that never end.
    """
    live = observed.objects.get(Ref("Job", job))
    found = (pod for pod in observed.pods if live and _is_controlled_by(pod, live) and _runs_template(pod, live))
    return [_with_statuses_of(pod, own) for pod in found]


def _with_statuses_of(pod: Object, own: tuple[str, ...]) -> Object:
    status = pod.get("status", {})
    statuses = [each for each in status.get("containerStatuses", []) if each.get("name") in own]
    return {**pod, "status": {**status, "containerStatuses": statuses}}


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
    except (RecursionError, ValueError):
        return None
    return message if isinstance(message, dict) else None
