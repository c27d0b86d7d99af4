"""What the tests of moves play: a switch that ends well, an operator that is killed; and where clients are led."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime
from pathlib import Path

from freehold.core.model.resources import Object

from tests.api import operators
from tests.api.cluster import Cluster, Refused, until
from tests.api.proxy import Proxy

NOT_FOUND = 404
IMAGE = "localhost/freehold/operator:dev"
DATABASE = {"version": "15", "storage": {"size": "1Gi"}, "migrations": {"command": ["users", "migrate"]}}


def switched(cluster: Cluster, namespace: str) -> None:
    """Let each switch that is under way end well, as the kubelet and the Job's controller tell it."""
    for job in cluster.list("Job", namespace):
        labels = job["spec"]["template"]["metadata"]["labels"]
        if labels.get("freehold.dev/role") != "switchover" or job.get("status", {}).get("conditions"):
            continue
        name = job["metadata"]["name"]
        if cluster.get("Pod", namespace, f"{name}-x") is None:
            named = {**labels, "batch.kubernetes.io/job-name": name}
            metadata = {"name": f"{name}-x", "namespace": namespace, "labels": named}
            spec = {**job["spec"]["template"]["spec"], "restartPolicy": "Never"}
            cluster.create({"kind": "Pod", "metadata": metadata, "spec": spec})
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # the way back is kept from then on
        words = json.dumps({"outcome": "completed", "writePauseMs": 210})
        ended = {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now, "message": words}
        status = {"name": "switchover", "image": IMAGE, "imageID": "", "ready": False, "restartCount": 0}
        said = {"containerStatuses": [{**status, "state": {"terminated": ended}}]}
        cluster.patch("Pod", namespace, f"{name}-x", {"status": said}, "status")
        done = [{"type": k, "status": "True", "lastTransitionTime": now} for k in ("SuccessCriteriaMet", "Complete")]
        over = {"conditions": done, "startTime": now, "completionTime": now, "succeeded": 1}
        try:
            cluster.patch("Job", namespace, name, {"status": over}, "status")
        except Refused as refused:  # the operator takes the pod's word, and may have removed the Job already
            if refused.status != NOT_FOUND:
                raise


def leads_to(cluster: Cluster, namespace: str) -> str:
    live = cluster.get("Service", namespace, "users-database") or {}
    return str(live["spec"]["selector"]["statefulset.kubernetes.io/pod-name"])


def seated(cluster: Cluster, namespace: str, *places: tuple[Cluster, str]) -> Object | None:
    """The resource of users there, once its data and its name are there, and all is well at every place that is a side
    of its move."""
    said = [one.conditions(where, "users").get("Ready", {}) for one, where in places]
    ready = all(condition.get("status") == "True" for condition in said)
    moved = cluster.conditions(namespace, "users").get("Relocated", {})
    live = cluster.get("Microservice", namespace, "users") or {}
    seen = moved.get("reason") == "Relocated" and moved["observedGeneration"] == live["metadata"]["generation"]
    return live if ready and seen and leads_to(cluster, namespace) == "users-database-0" else None


def claim(cluster: Cluster, namespace: str) -> dict[str, str]:
    """What is said on the volume of whose the data is."""
    live = cluster.get("PersistentVolumeClaim", namespace, "users-database-data") or {"metadata": {}}
    said = live["metadata"].get("annotations", {})
    return {key.removeprefix("freehold.dev/"): value for key, value in said.items() if key.startswith("freehold.dev/")}


def killed_after(cluster: Cluster, proxy: Proxy, log: Path, writes: int, *namespaces: str) -> None:
    """Run an operator until it has written so often, playing the controllers meanwhile, and kill it then."""
    operator = operators.start(proxy.kubeconfig, log, *namespaces, image=IMAGE)
    proxy.cut_after(writes, operator.process.kill)

    def ended() -> bool:
        for namespace in namespaces:
            cluster.run(namespace)
            switched(cluster, namespace)
        return operator.process.exitcode is not None

    until(ended, lambda: f"it is killed after {writes} writes; it says:\n{log.read_text()}")
    assert operator.process.exitcode == -signal.SIGKILL
