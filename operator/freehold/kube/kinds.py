"""The kinds Freehold reads and writes: where the API serves them, and in which order they are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from freehold.api.v1alpha1.microservice import GROUP, PLURAL, VERSION
from freehold.core.objects import meta


@dataclass(frozen=True)
class Kind:
    """A kind of object. api: `v1` or `group/version`. plural: its name in a path. optional: a cluster may lack it.
    labels: which ones of ours have, where the cluster makes others with the same labels."""

    name: str
    api: str
    plural: str
    namespaced: bool = True
    optional: bool = False
    labels: str = ""

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """The path of a collection or, with a name, of one object."""
        root = f"/api/{self.api}" if "/" not in self.api else f"/apis/{self.api}"
        scope = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        return f"{root}{scope}/{self.plural}" + (f"/{name}" if name else "")


MICROSERVICE: Final = Kind("Microservice", f"{GROUP}/{VERSION}", PLURAL)
POD: Final = Kind("Pod", "v1", "pods")
NAMESPACE: Final = Kind("Namespace", "v1", "namespaces", namespaced=False)
STORAGE_CLASS: Final = Kind("StorageClass", "storage.k8s.io/v1", "storageclasses", namespaced=False)
EVENT: Final = Kind("Event", "events.k8s.io/v1", "events")

OURS: Final = f"{meta.MANAGED_BY}={meta.MANAGER}"
"""Selects what Freehold made."""
KEPT_BY: Final = ",".join(f"{key}={value}" for key, value in meta.SLICE_MANAGED_BY.items())
SECRET: Final = Kind("Secret", "v1", "secrets")
QUIET: Final = (
    Kind("ServiceAccount", "v1", "serviceaccounts"),
    SECRET,
    Kind("ConfigMap", "v1", "configmaps"),
    Kind("PersistentVolumeClaim", "v1", "persistentvolumeclaims"),
    Kind("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies"),
    Kind("Service", "v1", "services"),
    Kind("EndpointSlice", "discovery.k8s.io/v1", "endpointslices", labels=KEPT_BY),
    Kind("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets"),
)
"""Written first: what pods stand on, the policies that hold them among it."""
RUNNING: Final = (
    Kind("StatefulSet", "apps/v1", "statefulsets"),
    Kind("Job", "batch/v1", "jobs"),
    Kind("Deployment", "apps/v1", "deployments"),
)
"""Written then: what starts pods."""
OUTERMOST: Final = (Kind("GRPCRoute", "gateway.networking.k8s.io/v1", "grpcroutes", optional=True),)
"""Written after all else, so that nothing waits for what a cluster may lack or others may refuse."""
OWNED: Final = (*QUIET, *RUNNING, *OUTERMOST)
BY_NAME: Final = {kind.name: kind for kind in OWNED}
MOVING: Final = (
    POD,
    *(BY_NAME[name] for name in ("Secret", "ConfigMap", "PersistentVolumeClaim", "Service", "StatefulSet")),
)
"""What each side of a move between clusters reads of the other."""
HOLDS_DATA: Final = frozenset({"PersistentVolumeClaim", "Secret"})
"""Never pruned: a volume, and the credentials without which it cannot be opened."""
OUTLIVES: Final = frozenset({"NetworkPolicy"})
"""What has no owner so that it stands until a resource's last pod has ended, and is then removed."""
