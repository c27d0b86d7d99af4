"""Pods that stand where a service stands: behind its walls, and not of it."""

from __future__ import annotations

from typing import Any

from freehold.core.objects import meta

from .kubectl import Kubectl


def stand(
    kubectl: Kubectl, namespace: str, service: str, image: str, command: list[str], name: str = "", **mounted: str
) -> str:
    """Runs a command where a service of this namespace stands; the pod's address, once it has one and runs.

    name: the pod's; left out, the service's. mounted: Secrets by the folder below the root in which the pod finds them.
    """
    pod = name or service
    container = {
        "name": "main",
        "image": image,
        "command": command,
        "volumeMounts": [{"name": folder, "mountPath": f"/{folder}"} for folder in mounted],
    }
    spec: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
        "volumes": [{"name": folder, "secret": {"secretName": secret}} for folder, secret in mounted.items()],
    }
    # As probes are marked, so that Freehold takes it for none of the service's own.
    labels = {**meta.selector(service, meta.SERVICE), meta.PROBE: "true"}
    metadata = {"name": pod, "namespace": namespace, "labels": labels}
    kubectl.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    kubectl("wait", "-n", namespace, f"pod/{pod}", "--for=condition=Ready", "--timeout=60s", timeout=70)
    return kubectl("get", "-n", namespace, f"pod/{pod}", "-o", "jsonpath={.status.podIP}")
