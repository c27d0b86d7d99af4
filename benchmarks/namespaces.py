"""Temporary namespaces for measurements."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from hack.stage import grant

from .kubectl import Kubectl

LABEL = "freehold.dev/benchmark"


def clear(kubectl: Kubectl) -> None:
    """Delete the namespaces of an earlier run."""
    kubectl("delete", "namespaces", "-l", LABEL, "--timeout=180s", timeout=200)


@contextmanager
def fresh(kubectl: Kubectl) -> Iterator[str]:
    """Create a namespace with Freehold's access to Secrets; on exit delete the namespace, and wait for all pods."""
    name = f"benchmark-{uuid.uuid4().hex[:6]}"
    metadata = {"name": name, "labels": {LABEL: "true"}}
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, grant(name))
    try:
        kubectl("wait", "-n", name, "--for=create", "serviceaccount/default", "--timeout=30s")
        yield name
    finally:
        _remove(kubectl, name)


def _remove(kubectl: Kubectl, name: str) -> None:
    """Delete pods and their owners, and wait; a namespace's own deletion retries only after half a grace period."""
    kinds = "microservices,deployments,statefulsets,jobs,pods"
    kubectl("delete", kinds, "--all", "-n", name, "--cascade=foreground", "--timeout=120s", timeout=130)
    kubectl("wait", "--for=delete", "pods", "--all", "-n", name, "--timeout=120s", timeout=130)
    kubectl("delete", "namespace", name, "--wait=false")
