"""Pods with the labels of a service: selected by its network policies, without being managed by Freehold."""

from __future__ import annotations

from typing import Any

from freehold.core.objects import meta

from .kubectl import Kubectl


def start(
    kubectl: Kubectl, namespace: str, service: str, image: str, command: list[str], name: str = "", **mounted: str
) -> str:
    """Start a pod with a service's labels, wait until the pod is ready, and return the pod's address.

    name: name of the pod, by default the service's name. mounted: folder below the root → Secret.
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
    # The label of connectivity probes, so that Freehold does not count the pod as a pod of the service.
    labels = {**meta.selector(service, meta.SERVICE), meta.PROBE: "true"}
    metadata = {"name": pod, "namespace": namespace, "labels": labels}
    kubectl.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    kubectl("wait", "-n", namespace, f"pod/{pod}", "--for=condition=Ready", "--timeout=60s", timeout=70)
    return kubectl("get", "-n", namespace, f"pod/{pod}", "-o", "jsonpath={.status.podIP}")
