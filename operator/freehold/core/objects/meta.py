"""What every object carries: labels, an owner, and digests that stand for content."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from freehold.api.v1alpha1.microservice import GROUP, KIND, VERSION
from freehold.core.model.resources import Object, Service

NAME = "app.kubernetes.io/name"
INSTANCE = "app.kubernetes.io/instance"
VERSION_LABEL = "app.kubernetes.io/version"
COMPONENT = "app.kubernetes.io/component"
PART_OF = "app.kubernetes.io/part-of"
MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "freehold"
CAPABILITY = "freehold.dev/capability"
CONFIG_HASH = "freehold.dev/config-hash"
"""Annotates a pod template with the digest of configuration it reads, so that a change rolls the pods."""
APPLIED_HASH = "freehold.dev/applied-hash"
"""Annotates an object with the digest of what was last applied to it."""
PROBE = "freehold.dev/probe"
"""Label of probe pods. A probe is subject to the service's network policies and is no endpoint of the service."""
VERIFY_ISOLATION = "freehold.dev/verify-isolation"
"""Annotation of a Microservice that requests a new isolation probe; any new value does."""
IMAGE = "freehold.dev/image"
"""Annotates a contract with the image it was read from."""
READ_CONTRACT = "freehold.dev/read-contract"
"""Annotates a resource to have its images asked anew what they offer: any new value does."""
ACCEPT_CONTRACT = "freehold.dev/accept-contract"
"""Annotates a resource with the image, or the contract's digest, that is let through whomever it breaks."""
EPOCH = "freehold.dev/epoch"
"""Annotates the claim of a database's volume: the highest owns the data; 0 has not owned it yet."""
PROMOTED_AT = "freehold.dev/promoted-at"
"""Annotates it with the time at which it took over, and"""
WRITE_PAUSE = "freehold.dev/write-pause-ms"
"""with how long no write was taken then, and"""
DATASET_ID = "freehold.dev/dataset-id"
"""with what stands for the data on it, which a move brings along: the schema on it need not be migrated again."""
DATA_MOVED_TO = "freehold.dev/data-moved-to"
"""with the namespace that the data went to, so that nobody takes this volume for it; none, where it is here."""
ENDPOINT_TARGET = "freehold.dev/endpoint-target"
"""Annotates the Service of a service that moved to another cluster with where its name leads."""
PRIMARY = "freehold.dev/primary"
"""Annotates a database server's pod template with the host of the one it follows, and since which turn."""
ROLE = "freehold.dev/role"
"""Labels the pods of a move that are no database server, and stand behind the same wall."""
MOVE = "freehold.dev/move"
"""Annotates a resource to have its move wait before the next step: Paused."""
LAST_BACKUP_AT = "freehold.dev/last-backup-at"
"""Annotates a resource with the time at which its data was last backed up, by whoever did it (RFC 3339)."""
POD_NAME = "statefulset.kubernetes.io/pod-name"
NAMESPACE_NAME = "kubernetes.io/metadata.name"

SLICE_MANAGED_BY = {"endpointslice.kubernetes.io/managed-by": "freehold.dev"}
"""Labels an EndpointSlice as none of the cluster's own controllers'."""

SERVICE = "service"
DATABASE = "database"
MIGRATIONS = "migrations"
CONTRACT = "contract"
REMOTE = "abroad"
"""The component of no pod: that of a service which stands in another cluster."""


def selector(name: str, component: str) -> dict[str, str]:
    """The labels that select one service's pods of one component, and no other's."""
    return {INSTANCE: name, COMPONENT: component, MANAGED_BY: MANAGER}


def serving(name: str) -> Any:
    """A label selector of the pods that serve, probes not among them, for where one may say so."""
    unprobed = {"key": PROBE, "operator": "DoesNotExist"}
    return {"matchLabels": selector(name, SERVICE), "matchExpressions": [unprobed]}


def labels(service: Service, component: str, capability: str, version: str = "") -> dict[str, str]:
    """The recommended labels (kubernetes.io/docs/concepts/overview/working-with-objects/common-labels)."""
    shown = {VERSION_LABEL: version} if version else {}
    part_of = service.labels.get(PART_OF, service.namespace)
    named = {NAME: service.name, PART_OF: part_of, CAPABILITY: capability}
    return {**named, **selector(service.name, component), **shown}


def pod_labels(service: Service, component: str, version: str = "") -> dict[str, str]:
    """The labels of pods: none of those that may change without a reason for new pods."""
    shown = {VERSION_LABEL: version} if version else {}
    return {NAME: service.name, **selector(service.name, component), **shown}


def image_version(image: str) -> str:
    """An image's tag as a label's value, empty where it has none that fits."""
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    return tag if re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", tag) else ""


def image_name(image: str) -> str:
    """An image without its registry and path, as people are told of it."""
    return image.rpartition("/")[2]


def owner(service: Service) -> Object:
    """The reference by which the cluster's garbage collector removes an object with its Microservice."""
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "name": service.name,
        "uid": service.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def build(
    service: Service,
    api_version: str,
    kind: str,
    name: str,
    labelled: dict[str, str],
    *,
    owned: bool = True,
    **body: Any,
) -> Object:
    """An object of the service's namespace. One that is not owned outlives the Microservice."""
    metadata: Object = {"name": name, "namespace": service.namespace, "labels": labelled}
    if owned:
        metadata["ownerReferences"] = [owner(service)]
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}


def network_policy(
    service: Service, name: str, component: str, capability: str, ingress: list[Object], egress: list[Object]
) -> Object:
    """A wall around a component's pods, both ways. Without an owner, so that it stands until they have ended."""
    return build(
        service,
        "networking.k8s.io/v1",
        "NetworkPolicy",
        name,
        labels(service, component, capability),
        owned=False,
        spec={
            "podSelector": {"matchLabels": selector(service.name, component)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        },
    )


def digest(*parts: Any) -> str:
    """Ten hexadecimal digits that stand for the content of plain data."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:10]
