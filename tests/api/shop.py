"""The resources the tests declare, and what becomes of users."""

from __future__ import annotations

from typing import Any

from freehold.core.model.resources import Object

from tests.api.cluster import MERGE, Cluster

FULL: Object = {
    "replicas": 2,
    "database": {"version": "15", "storage": {"size": "1Gi"}, "migrations": {"command": ["users", "migrate"]}},
    "consumes": [{"name": "payments"}],
}
"""With every kind of object Freehold makes."""


def microservice(namespace: str, name: str = "users", **spec: Any) -> Object:
    """A Microservice; a part of the spec that is None is left out."""
    whole = {"image": f"{name}:1", "grpc": {"port": 50051}, **spec}
    return {
        "apiVersion": "freehold.dev/v1alpha1",
        "kind": "Microservice",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {key: value for key, value in whole.items() if value is not None},
    }


def place(cluster: Cluster, namespace: str, placement: Object | None) -> None:
    """Say where users is to stand."""
    cluster.patch("Microservice", namespace, "users", {"spec": {"placement": placement}})


def replicas(cluster: Cluster, namespace: str) -> int:
    """How many pods of users are to run."""
    return int((cluster.get("Deployment", namespace, "users") or {})["spec"]["replicas"])


def no_more(cluster: Cluster, namespace: str, counted: str, used: int) -> None:
    """Let there be no more of a kind than there are, by a quota whose controller is played."""
    hard = {counted: str(used)}
    where = f"/api/v1/namespaces/{namespace}/resourcequotas"
    cluster.request("POST", where, {"metadata": {"name": "full"}, "spec": {"hard": hard}})
    cluster.request("PATCH", f"{where}/full/status", {"status": {"hard": hard, "used": hard}}, MERGE)
