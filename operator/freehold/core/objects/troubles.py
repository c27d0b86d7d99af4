"""What keeps pods from running, or from being created, by what Kubernetes reports."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from freehold.core.model.conditions import Reason
from freehold.core.model.resources import Object, Observed, Ref
from freehold.core.model.troubles import Trouble, worst
from freehold.core.objects import logs

IMAGE_REASONS = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
CONFIG_REASONS = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
BACK_OFF = "CrashLoopBackOff"
MANY_RESTARTS = 2
"""The restarts from which a container that ended well counts as one that ends again and again."""
ENDS_WITHIN = timedelta(seconds=30)
"""The time after the grace period within which a kubelet that works reports the end of a pod."""
SETTLES = timedelta(seconds=2)
"""The time within which a controller repeats a creation that met a passing error, as of a quota that was just used."""
LATEST = timedelta(hours=1)
"""How long a refusal counts. Controllers try again at intervals of up to 17 minutes, and say so in another Event."""
CONTROLLERS_WORDS = re.compile(r"^(?:Error creating: |create Pod \S+ in StatefulSet \S+ failed error: )")


def of_pods(found: Iterable[Object], observed: Observed) -> Trouble | None:
    """Return the worst cause that keeps one of the pods from running, or None; Secrets' values are masked."""
    return worst(trouble for pod in found for trouble in _of_pod(pod, observed))


def _of_pod(pod: Object, observed: Observed) -> Iterator[Trouble | None]:
    lost = _on_lost_node(pod, observed.now)
    yield lost
    if lost or "deletionTimestamp" in pod["metadata"]:
        return
    yield _unschedulable(pod)
    for status in _statuses(pod):
        if not status.get("ready"):
            yield _waiting(status) or _ended(pod, status, observed)


def _on_lost_node(pod: Object, now: datetime) -> Trouble | None:
    """Return that the node of a pod does not answer, or None.

    A lost kubelet writes nothing, so the containers stay as they were last reported. The node controller sets condition
    Ready alone to False, and evicts the pod after five minutes; the pod then stays until the kubelet reports its end
    (kubernetes.io, 'Node conditions' and 'Non-graceful node shutdown').
    """
    metadata, status, spec = pod["metadata"], pod.get("status", {}), pod.get("spec", {})
    conditions = {c["type"]: c for c in status.get("conditions", [])}
    states = [conditions.get(kind, {}).get("status") for kind in ("Ready", "ContainersReady")]
    unreported = states == ["False", "True"] and not spec.get("readinessGates")
    evicted = conditions.get("DisruptionTarget", {}).get("reason") == "DeletionByTaintManager"
    until = metadata.get("deletionTimestamp")
    overdue = until is not None and now > datetime.fromisoformat(until) + ENDS_WITHIN
    if not (status.get("reason") == "NodeLost" or overdue or (unreported and (until is None or evicted))):
        return None
    node = spec.get("nodeName", "NODE")
    taint = f"kubectl taint node {node} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
    state = f"node {node} of pod {metadata['name']} does not answer"
    return Trouble(Reason.NODE_LOST, f"{state}; start the node again, or, if it is shut down for good, {taint}")


def failing_health_check(found: Iterable[Object]) -> Trouble | None:
    """Return the first started pod whose health check fails, or None."""
    for pod in found:
        for status in pod.get("status", {}).get("containerStatuses", []):
            if status.get("started") and not status.get("ready") and "running" in status.get("state", {}):
                name = pod["metadata"]["name"]
                message = f"{name} runs, but the health check fails; read the log of the pod"
                return Trouble(Reason.PODS_NOT_READY, message)
    return None


def of_creation(observed: Observed, ref: Ref) -> Trouble | None:
    """Return the refusal of pods of a StatefulSet or Job, or None: none is known, or newer pods exist.

    Their controllers report a refusal in an Event alone, while that of a Deployment is a condition.
    """
    live, refusal = observed.objects.get(ref), observed.refusals.get(ref)
    if live is None or refusal is None or live["metadata"].get("uid") != refusal.uid:
        return None
    if observed.now - refusal.since < SETTLES or observed.now - refusal.at > LATEST:
        return None
    own = (pod for pod in observed.pods if refusal.uid in owners(pod))
    if any(is_newer(pod, refusal.at) for pod in own):
        return None
    return refused(CONTROLLERS_WORDS.sub("", refusal.note))


def refused(cause: str) -> Trouble:
    """Return the trouble of pods that an admission rule or a quota refuses."""
    return Trouble(Reason.REFUSED_BY_ADMISSION, f"pods are refused: {cause}")


def owners(pod: Object) -> list[str]:
    """Return the uids of the owners of a pod."""
    return [str(owner.get("uid")) for owner in pod["metadata"].get("ownerReferences", [])]


def is_newer(pod: Object, moment: datetime) -> bool:
    """Return whether a pod was created after a moment, or in the same second."""
    created = pod["metadata"].get("creationTimestamp")
    return created is None or datetime.fromisoformat(created) >= moment.replace(microsecond=0)


def _unschedulable(pod: Object) -> Trouble | None:
    for condition in pod.get("status", {}).get("conditions", []):
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            cause = condition.get("message", "the scheduler gave no reason")
            return Trouble(Reason.UNSCHEDULABLE, f"no node takes pod {pod['metadata']['name']}: {cause}")
    return None


def _statuses(pod: Object) -> list[Object]:
    """Return the statuses of the containers; of init and sidecar containers only waiting or restarted ones."""
    status = pod.get("status", {})
    init = [s for s in status.get("initContainerStatuses", []) if s.get("restartCount") or "waiting" in s["state"]]
    return [*init, *status.get("containerStatuses", [])]


def _waiting(status: Object) -> Trouble | None:
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


def _ended(pod: Object, status: Object, observed: Observed) -> Trouble | None:
    """Return that a container ended with an error, or ends well again and again."""
    states = (status.get("state", {}), status.get("lastState", {}))
    ends = [state["terminated"] for state in states if state.get("terminated")]
    name, failed = pod["metadata"]["name"], next((end for end in ends if end.get("exitCode")), None)
    if failed:
        killed = " (out of memory)" if failed.get("reason") == "OOMKilled" else ""
        log = logs.telling_lines(failed.get("message", ""), logs.secret_lines(observed)) or "the log is empty"
        return Trouble(Reason.CRASH_LOOPING, f"{name} stopped with exit code {failed['exitCode']}{killed}: {log}")
    waits = status.get("state", {}).get("waiting", {}).get("reason") == BACK_OFF
    if not ends or not (waits or status.get("restartCount", 0) >= MANY_RESTARTS):
        return None
    # The kubelet keeps no lines of the log of a container that ended well.
    log = logs.telling_lines(ends[0].get("message", ""), logs.secret_lines(observed))
    words = log or f"kubectl logs {name} -n {pod['metadata'].get('namespace', '')} --previous shows its log"
    state = f"{name} ended with exit code 0 again and again, and a service must run on"
    return Trouble(Reason.CRASH_LOOPING, f"{state}: {words}; correct the image")
