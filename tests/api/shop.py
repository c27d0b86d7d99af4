"""Resources that tests create, and edits of users."""

from __future__ import annotations

from typing import Any

from freehold.core.model.resources import Object

from tests.api.cluster import MERGE, Cluster

FULL: Object = {
    "replicas": 2,
    "database": {"version": "15", "storage": {"size": "1Gi"}, "migrations": {"command": ["users", "migrate"]}},
    "consumes": [{"name": "payments"}],
}
"""A spec that needs every kind of object."""


def microservice(namespace: str, name: str = "users", **spec: Any) -> Object:
    """Return a Microservice; fields of the spec that are None are left out."""
    whole = {"image": f"{name}:1", "grpc": {"port": 50051}, **spec}
    return {
        "apiVersion": "freehold.dev/v1alpha1",
        "kind": "Microservice",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {key: value for key, value in whole.items() if value is not None},
    }


def place(cluster: Cluster, namespace: str, placement: Object | None) -> None:
    """Set the placement of users."""
    cluster.patch("Microservice", namespace, "users", {"spec": {"placement": placement}})


def replicas(cluster: Cluster, namespace: str, name: str = "users") -> int:
    """Return the wanted replicas of a service."""
    return int((cluster.get("Deployment", namespace, name) or {})["spec"]["replicas"])


def no_more(cluster: Cluster, namespace: str, counted: str, used: int) -> None:
    """Limit the number of objects of a kind by a quota, whose status is written in place of its controller."""
    hard = {counted: str(used)}
    where = f"/api/v1/namespaces/{namespace}/resourcequotas"
    cluster.request("POST", where, {"metadata": {"name": "full"}, "spec": {"hard": hard}})
    cluster.request("PATCH", f"{where}/full/status", {"status": {"hard": hard, "used": hard}}, MERGE)
