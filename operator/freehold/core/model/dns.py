"""The cluster's DNS servers, which network policies open to pods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PORT = 53


@dataclass(frozen=True)
class Dns:
    """Where pods resolve names.

    namespace, pod_labels: of the servers' pods. ports: of the pods, besides 53. addresses: of resolvers that may be no
    pods, such as a cache on each node (kubernetes.io/docs/tasks/administer-cluster/nodelocaldns).
    """

    namespace: str = "kube-system"
    pod_labels: Mapping[str, str] = field(default_factory=lambda: {"k8s-app": "kube-dns"})
    ports: tuple[int, ...] = ()
    addresses: tuple[str, ...] = ("169.254.20.10",)

    def __str__(self) -> str:
        labels = ",".join(f"{key}={value}" for key, value in sorted(self.pod_labels.items()))
        return f"pods with {labels or 'any label'} in namespace {self.namespace}"
