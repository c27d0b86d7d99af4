"""Evictions, as by a drain of a node."""

from __future__ import annotations

import pytest
from freehold.core.model.resources import Object

from tests.api.cluster import KINDS, Cluster, Refused, until
from tests.api.operators import Operator
from tests.api.shop import microservice


def pod(cluster: Cluster, namespace: str, name: str, *, ready: bool) -> None:
    """Create a running pod of the service, in place of the controllers and the kubelet."""
    template = (cluster.get("Deployment", namespace, "users") or {})["spec"]["template"]
    labels = template["metadata"]["labels"]
    cluster.create(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {**template["spec"], "nodeName": "node"},
        }
    )
    condition = {"type": "Ready", "status": str(ready)}
    cluster.patch("Pod", namespace, name, {"status": {"phase": "Running", "conditions": [condition]}}, "status")


def evict(cluster: Cluster, namespace: str, name: str) -> Object:
    """Evict a pod, as a dry run."""
    metadata = {"name": name, "namespace": namespace}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    return cluster.request(
        "POST", f"{KINDS['Pod'].path(namespace, name)}/eviction", {**eviction, "deleteOptions": {"dryRun": ["All"]}}
    )


def test_unready_pods_are_evicted(cluster: Cluster, operator: Operator, home: str) -> None:
    """Where no pod is ready, each can be evicted; the last ready pod cannot."""
    assert operator.alive()
    cluster.create(microservice(home, replicas=2))
    cluster.ready(home)
    budget = until(lambda: cluster.get("PodDisruptionBudget", home, "users"), "the budget is placed")
    generation = budget["metadata"]["generation"]
    counted = {"observedGeneration": generation, "disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 1}
    cluster.patch("PodDisruptionBudget", home, "users", {"status": {**counted, "expectedPods": 2}}, "status")
    pod(cluster, home, "unready", ready=False)
    pod(cluster, home, "ready", ready=True)
    assert evict(cluster, home, "unready")["status"] == "Success"
    with pytest.raises(Refused, match="disruption budget"):
        evict(cluster, home, "ready")
