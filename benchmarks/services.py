"""Microservices as the benchmarks declare them."""

from __future__ import annotations

from typing import Any


def microservice(namespace: str, name: str, image: str, **spec: Any) -> dict[str, Any]:
    """A resource with this image, and this besides in its spec."""
    return {
        "apiVersion": "freehold.dev/v1alpha1",
        "kind": "Microservice",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"image": image, **spec},
    }
