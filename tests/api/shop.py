"""The resources the tests declare."""

from __future__ import annotations

from typing import Any

from freehold.core.model import Object

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
