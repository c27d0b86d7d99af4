"""Actions in tests of moves: a successful switchover, a killed operator; and checks of the endpoint."""

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
    """End each running switchover with success, in place of the kubelet and the Job's controller."""
    for job in cluster.list("Job", namespace):
        labels = job["spec"]["template"]["metadata"]["labels"]
        if labels.get("freehold.dev/role") != "switchover" or job.get("status", {}).get("conditions"):
            continue
        name = job["metadata"]["name"]
        if cluster.get("Pod", namespace, f"{name}-x") is None:
            named = {**labels, "batch.kubernetes.io/job-name": name}
            owner = {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "name": name,
                "uid": job["metadata"]["uid"],
                "controller": True,
            }
            metadata = {
                "name": f"{name}-x",
                "namespace": namespace,
                "labels": named,
                "ownerReferences": [owner],
            }
            spec = {**job["spec"]["template"]["spec"], "restartPolicy": "Never"}
            cluster.create({"kind": "Pod", "metadata": metadata, "spec": spec})
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # the rollback window begins now
        words = json.dumps({"outcome": "completed", "writePauseMs": 210})
        ended = {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now, "message": words}
        status = {"name": "switchover", "image": IMAGE, "imageID": "", "ready": False, "restartCount": 0}
        said = {"containerStatuses": [{**status, "state": {"terminated": ended}}]}
        cluster.patch("Pod", namespace, f"{name}-x", {"status": said}, "status")
        done = [{"type": k, "status": "True", "lastTransitionTime": now} for k in ("SuccessCriteriaMet", "Complete")]
        over = {"conditions": done, "startTime": now, "completionTime": now, "succeeded": 1}
        try:
            cluster.patch("Job", namespace, name, {"status": over}, "status")
        except Refused as refused:  # the operator reads the pod's message, and may have deleted the Job already
            if refused.status != NOT_FOUND:
                raise


def leads_to(cluster: Cluster, namespace: str) -> str:
    live = cluster.get("Service", namespace, "users-database") or {}
    return str(live["spec"]["selector"]["statefulset.kubernetes.io/pod-name"])


def completed_move(cluster: Cluster, namespace: str, *places: tuple[Cluster, str]) -> Object | None:
    """Return the resource of users at a place once data and endpoint are there and both sides of the move are Ready."""
    said = [one.conditions(where, "users").get("Ready", {}) for one, where in places]
    ready = all(condition.get("status") == "True" for condition in said)
    moved = cluster.conditions(namespace, "users").get("Relocated", {})
    live = cluster.get("Microservice", namespace, "users") or {}
    seen = moved.get("reason") == "Relocated" and moved["observedGeneration"] == live["metadata"]["generation"]
    return live if ready and seen and leads_to(cluster, namespace) == "users-database-0" else None


def claim(cluster: Cluster, namespace: str) -> dict[str, str]:
    """Return the annotations of the claim that record which side has the data."""
    live = cluster.get("PersistentVolumeClaim", namespace, "users-database-data") or {"metadata": {}}
    said = live["metadata"].get("annotations", {})
    return {key.removeprefix("freehold.dev/"): value for key, value in said.items() if key.startswith("freehold.dev/")}


def killed_after(cluster: Cluster, proxy: Proxy, log: Path, writes: int, *namespaces: str) -> None:
    """Run an operator, in place of the controllers, and kill it after a number of writes."""
    operator = operators.start(proxy.kubeconfig, log, *namespaces, image=IMAGE)
    proxy.cut_after(writes, operator.process.kill)

    def ended() -> bool:
        for namespace in namespaces:
            cluster.run(namespace)
            switched(cluster, namespace)
        return operator.process.exitcode is not None

    until(ended, lambda: f"it is killed after {writes} writes; it says:\n{log.read_text()}")
    assert operator.process.exitcode == -signal.SIGKILL
