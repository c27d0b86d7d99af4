"""Microservices of the benchmarks."""

from __future__ import annotations

from typing import Any


def microservice(namespace: str, name: str, image: str, **spec: Any) -> dict[str, Any]:
    """Return a Microservice. spec: further fields of the spec."""
    return {
        "apiVersion": "freehold.dev/v1alpha1",
        "kind": "Microservice",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"image": image, **spec},
    }
