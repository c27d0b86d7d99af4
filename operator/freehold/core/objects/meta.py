"""Metadata of objects: labels, annotations, owner references, and digests."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from freehold.api.v1alpha1.microservice import GROUP, KIND, VERSION
from freehold.core.model.resources import Object, Service

NAME = "app.kubernetes.io/name"
"""Label of every object: the name of the Microservice. Written by the operator; a recommended label of Kubernetes."""
INSTANCE = "app.kubernetes.io/instance"
"""Label of every object: the name of the Microservice. Written by the operator; selects the pods of a service."""
VERSION_LABEL = "app.kubernetes.io/version"
"""Label of objects that belong to an image, such as Deployments and pods: the image's tag. Written by the operator."""
COMPONENT = "app.kubernetes.io/component"
"""Label of every object: the part of the service, such as service, database or migrations. Written by the operator."""
PART_OF = "app.kubernetes.io/part-of"
"""Label of every object: copied from the Microservice, else the namespace. Written by the operator."""
MANAGED_BY = "app.kubernetes.io/managed-by"
"""Label of every object: freehold. Written by the operator, which watches objects by the label."""
MANAGER = "freehold"
CAPABILITY = "freehold.dev/capability"
"""Label of every object: the capability that plans the object. Written by the operator; an object of a capability
without a plan for the object is removed."""
CONFIG_HASH = "freehold.dev/config-hash"
"""Annotation of a pod template: the digest of the configuration the pods read; a change rolls the pods. Also of a
contract's ConfigMap: the digest of the contract. Written by the operator."""
APPLIED_HASH = "freehold.dev/applied-hash"
"""Annotation of every object: the digest of the last applied content. Written by the operator to find drift."""
DECLARED_HASH = "freehold.dev/declared-hash"
"""Annotation of a database's StatefulSet: the digest of what the Microservice declares about the server. Written by the
operator; a change of the pod template without a change of the digest is the platform's."""
TEMPLATE_HASH = "freehold.dev/template-hash"
"""Annotation of a database's StatefulSet: the digest of the pod template. Written by the operator."""
PLATFORM_CHANGE_AT = "freehold.dev/platform-change-at"
"""Annotation of a database's StatefulSet: the time of the last change by the platform, such as another server image
(RFC 3339). Written by the operator; other databases wait for their change until the server is Ready again."""
PROBE = "freehold.dev/probe"
"""Label of probe pods: true. Written by the operator; a probe is subject to the service's network policies and is no
endpoint of the service."""
VERIFY_ISOLATION = "freehold.dev/verify-isolation"
"""Annotation of a Microservice: any new value requests a new isolation probe. Written by people."""
IMAGE = "freehold.dev/image"
"""Annotation of a contract's ConfigMap: the image the contract was read from. Also of a Deployment: the declared image,
since admission may write another registry into the pods. Written by the operator."""
READ_CONTRACT = "freehold.dev/read-contract"
"""Annotation of a Microservice: any new value requests a new reading of the image's contract. Written by people."""
RUN_MIGRATIONS = "freehold.dev/run-migrations"
"""Annotation of a Microservice: any new value requests that the migration runs again, for example after older data was
restored into the same volume. Written by people."""
ACCEPT_CONTRACT = "freehold.dev/accept-contract"
"""Annotation of a Microservice: the image, or the contract's digest, to roll out although the contract breaks
consumers. Written by people."""
EPOCH = "freehold.dev/epoch"
"""Annotation of a database's PersistentVolumeClaim: the epoch, a fencing token. Written by the operator; the highest
identifies the primary, 0 an instance that never was primary."""
PROMOTED_AT = "freehold.dev/promoted-at"
"""Annotation of a database's PersistentVolumeClaim: the time at which the instance became the primary (RFC 3339).
Written by the operator."""
WRITE_PAUSE = "freehold.dev/write-pause-ms"
"""Annotation of a database's PersistentVolumeClaim: how long the switchover paused writes, in milliseconds. Written by
the operator."""
DATASET_ID = "freehold.dev/dataset-id"
"""Annotation of a database's PersistentVolumeClaim: the identity of the data. Written by the operator; a move keeps the
identity, so migrations are not run again at the destination."""
DATA_MOVED_TO = "freehold.dev/data-moved-to"
"""Annotation of a database's PersistentVolumeClaim: the namespace the data was moved to. Written by the operator; the
volume holds a stale copy."""
SHARED_PASSWORDS = "freehold.dev/shared-passwords"
"""Annotation of a database server's Secret: the roles whose passwords the counterpart of a move knows. Written by the
operator; only those are handed over. That of the replication role is changed after the move."""
ENDPOINT_TARGET = "freehold.dev/endpoint-target"
"""Annotation of the Service of a Microservice that moved to another cluster: the target of the endpoint redirect,
like shop@west. Written by the operator."""
PRIMARY = "freehold.dev/primary"
"""Annotation of a standby's pod template: the host of the primary and the epoch since which the standby replicates.
Written by the operator."""
ROLE = "freehold.dev/role"
"""Label of a move's pods that are no database server: database-proxy or switchover. Written by the operator; they are
subject to the database's network policy."""
MOVE = "freehold.dev/move"
"""Annotation of a Microservice: Paused stops a move before the next step. Written by people, usually with
kubectl freehold move --pause."""
LAST_BACKUP_AT = "freehold.dev/last-backup-at"
"""Annotation of a Microservice: the time of the last backup of the data (RFC 3339). Written by the backup tool;
compared with spec.placement.maxBackupAge."""
POD_NAME = "statefulset.kubernetes.io/pod-name"
"""Label of a StatefulSet's pod: the pod's name. Written by Kubernetes; selects a single database instance."""
RESTORED = "freehold.dev/restored"
"""Label of an object that somebody restores from a backup before its Microservice. Written by people; the admission
policies then let the object be created in a namespace without a Microservice."""
ACCEPT_DATA_LOSS = "freehold.dev/accept-data-loss"
"""Annotation of a Microservice: the value of status.data.since, to accept that the data since that time is lost and to
start with an empty database. Written by people."""
COMPARE_OPTIONS = "argocd.argoproj.io/compare-options"
"""Annotation of objects without an owner: IgnoreExtraneous. Written by the operator, so that an application of Argo CD
stays in sync."""
SYNC_OPTIONS = "argocd.argoproj.io/sync-options"
"""Annotation of objects without an owner: Prune=false,Delete=false. Written by the operator: where Argo CD tracks by
label, the label app.kubernetes.io/instance makes the objects those of an application with the service's name."""
NAMESPACE_NAME = "kubernetes.io/metadata.name"
"""Label of a namespace: the namespace's name. Written by Kubernetes; selects the namespace in network policies."""

SLICE_MANAGED_BY = {"endpointslice.kubernetes.io/managed-by": "freehold.dev"}
"""Label of an EndpointSlice that the operator keeps. Kubernetes' own controllers leave the slice alone."""

UNOWNED = {COMPARE_OPTIONS: "IgnoreExtraneous", SYNC_OPTIONS: "Prune=false,Delete=false"}
"""Annotations by which Argo CD leaves an object alone (Argo CD, 'Sync Options' and 'Compare Options'). Other tools
delete what they have applied (Flux, Helm, kubectl apply --prune), or what carries a label of their own (kapp)."""

SERVICE = "service"
DATABASE = "database"
MIGRATIONS = "migrations"
CONTRACT = "contract"
REMOTE = "remote"
"""The component that no pod has: a Service with this selector has no endpoints but those of the EndpointSlice."""


def selector(name: str, component: str) -> dict[str, str]:
    """Return the labels that select a service's pods of a component."""
    return {INSTANCE: name, COMPONENT: component, MANAGED_BY: MANAGER}


def serving(name: str) -> Any:
    """Return the label selector of a service's pods without probes, where match expressions are possible."""
    not_a_probe = {"key": PROBE, "operator": "DoesNotExist"}
    return {"matchLabels": selector(name, SERVICE), "matchExpressions": [not_a_probe]}


def labels(service: Service, component: str, capability: str, version: str = "") -> dict[str, str]:
    """Return the recommended labels (kubernetes.io/docs/concepts/overview/working-with-objects/common-labels)."""
    versioned = {VERSION_LABEL: version} if version else {}
    part_of = service.labels.get(PART_OF, service.namespace)
    common = {NAME: service.name, PART_OF: part_of, CAPABILITY: capability}
    return {**common, **selector(service.name, component), **versioned}


def pod_labels(service: Service, component: str, version: str = "") -> dict[str, str]:
    """Return the labels of pods. Labels that change without a need for new pods are left out."""
    versioned = {VERSION_LABEL: version} if version else {}
    return {NAME: service.name, **selector(service.name, component), **versioned}


def image_version(image: str) -> str:
    """Return an image's tag; empty without a tag, or if the tag is no valid label value."""
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    return tag if re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", tag) else ""


def image_name(image: str) -> str:
    """Return an image without registry and path, for messages."""
    return image.rpartition("/")[2]


def owner(service: Service) -> Object:
    """Return the owner reference by which Kubernetes removes an object together with the Microservice."""
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "name": service.name,
        "uid": service.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def controller_uid(live: Object) -> str | None:
    """Return the uid of the Microservice that controls an object; None without one."""
    owners = live["metadata"].get("ownerReferences", [])
    return next((str(one["uid"]) for one in owners if one.get("controller") and one.get("kind") == KIND), None)


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
    """Return an object in the service's namespace. owned: removed together with the Microservice; others carry
    annotations by which other tools leave them alone."""
    metadata: Object = {"name": name, "namespace": service.namespace, "labels": labelled}
    if owned:
        metadata["ownerReferences"] = [owner(service)]
    else:
        metadata["annotations"] = dict(UNOWNED)
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}


def annotated(body: Object, annotations: Mapping[str, str]) -> Object:
    """Return an object with further annotations."""
    if not annotations:
        return body
    metadata = body["metadata"]
    return {**body, "metadata": {**metadata, "annotations": {**metadata.get("annotations", {}), **annotations}}}


def network_policy(
    service: Service, name: str, component: str, capability: str, ingress: list[Object], egress: list[Object]
) -> Object:
    """Return the network policy of a component's pods, for ingress and egress.

    The policy has no owner, because it must exist until the pods have ended.
    """
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
    """Return ten hexadecimal digits of the SHA-256 of plain data as JSON."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:10]
