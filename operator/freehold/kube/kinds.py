"""The kinds that Freehold reads and writes, with their API paths and the order of writes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from freehold.api.v1alpha1.microservice import GROUP, PLURAL, VERSION
from freehold.core.objects import meta


@dataclass(frozen=True)
class Kind:
    """A kind of object.

    api: `v1` or `group/version`. plural: the name in paths. optional: not every cluster serves the kind. labels: a
    selector besides SELECTOR, where controllers copy Freehold's labels to objects of their own. fields: the field
    selector of each list and watch.
    """

    name: str
    api: str
    plural: str
    namespaced: bool = True
    optional: bool = False
    labels: str = ""
    fields: str = ""

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """Return the path of a collection or, with a name, of an object."""
        root = f"/api/{self.api}" if "/" not in self.api else f"/apis/{self.api}"
        scope = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        return f"{root}{scope}/{self.plural}" + (f"/{name}" if name else "")


MICROSERVICE: Final = Kind("Microservice", f"{GROUP}/{VERSION}", PLURAL)
POD: Final = Kind("Pod", "v1", "pods")
NAMESPACE: Final = Kind("Namespace", "v1", "namespaces", namespaced=False)
STORAGE_CLASS: Final = Kind("StorageClass", "storage.k8s.io/v1", "storageclasses", namespaced=False)
EVENT: Final = Kind("Event", "events.k8s.io/v1", "events")
REFUSAL: Final = replace(
    EVENT, fields="reason=FailedCreate,type=Warning,regarding.kind!=ReplicaSet,regarding.kind!=DaemonSet"
)
"""Events of controllers whose pods are refused; a Deployment has a condition for those of its ReplicaSets."""

SELECTOR: Final = f"{meta.MANAGED_BY}={meta.MANAGER}"
"""The label selector of Freehold's objects."""
SLICES: Final = ",".join(f"{key}={value}" for key, value in meta.SLICE_MANAGED_BY.items())
SECRET: Final = Kind("Secret", "v1", "secrets")
PREREQUISITES: Final = (
    Kind("ServiceAccount", "v1", "serviceaccounts"),
    SECRET,
    Kind("ConfigMap", "v1", "configmaps"),
    Kind("PersistentVolumeClaim", "v1", "persistentvolumeclaims"),
    Kind("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies"),
    Kind("Service", "v1", "services"),
    Kind("EndpointSlice", "discovery.k8s.io/v1", "endpointslices", labels=SLICES),
    Kind("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets"),
)
"""Written first: the objects that pods need, network policies included."""
WORKLOADS: Final = (
    Kind("StatefulSet", "apps/v1", "statefulsets"),
    Kind("Job", "batch/v1", "jobs"),
    Kind("Deployment", "apps/v1", "deployments"),
)
"""Written second: the objects that start pods."""
ROUTES: Final = (Kind("GRPCRoute", "gateway.networking.k8s.io/v1", "grpcroutes", optional=True),)
"""Written last, since the cluster may not serve the kind, or others may refuse the object."""
OWNED: Final = (*PREREQUISITES, *WORKLOADS, *ROUTES)
BY_NAME: Final = {kind.name: kind for kind in OWNED}
MOVING: Final = (
    POD,
    *(BY_NAME[name] for name in ("ConfigMap", "PersistentVolumeClaim", "Service", "StatefulSet")),
)
"""The kinds that each side of a move between clusters watches in the other, besides Microservices."""
HOLDS_DATA: Final = frozenset({"PersistentVolumeClaim", "Secret"})
"""Never pruned: volumes, and the credentials for the data."""
OUTLIVES: Final = frozenset({"NetworkPolicy"})
"""Kinds without an owner reference, removed by `apply.sweep` after the last pod of a deleted resource has ended."""
