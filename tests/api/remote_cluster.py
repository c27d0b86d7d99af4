"""Actions in place of another cluster's controllers and administrators."""

from __future__ import annotations

import base64
from pathlib import Path

from freehold.core.model.resources import Object

from tests.api.cluster import Cluster


def pod(cluster: Cluster, namespace: str, kind: str, of: str, address: str) -> None:
    """Create a running pod, as the kubelet reports it, once its workload exists."""
    owner, name = cluster.get(kind, namespace, of), f"{of}-0"
    if owner is None or not owner["spec"]["replicas"] or cluster.get("Pod", namespace, name):
        return
    template = owner["spec"]["template"]
    start(cluster, namespace, name, template["metadata"]["labels"], template["spec"], address)


def start(cluster: Cluster, namespace: str, name: str, labels: dict[str, str], spec: Object, address: str) -> None:
    """Create a pod that is running and ready."""
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    cluster.create({"kind": "Pod", "metadata": metadata, "spec": spec})
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z"}
    status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": [ready]}
    cluster.patch("Pod", namespace, name, {"status": status}, "status")


def introduce(cluster: Cluster, home: str, name: str, other: Path | str) -> None:
    """Create the Secret with a kubeconfig for the other cluster, as the namespace's administrator does."""
    text = other if isinstance(other, str) else other.read_text()
    data = {"value": base64.b64encode(text.encode()).decode()}
    cluster.create({"kind": "Secret", "metadata": {"name": name, "namespace": home}, "data": data})
