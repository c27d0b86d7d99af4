"""Data types of the core: declared services, observations, and plans.

All types are frozen. `Observed` holds every input of a capability, including the time and fresh passwords, so equal
inputs always give equal plans.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple

from freehold.api.v1alpha1.grpc import Grpc
from freehold.api.v1alpha1.microservice import MicroserviceSpec
from freehold.core.model.authority import Authority, Issued
from freehold.core.model.conditions import Condition
from freehold.core.model.dns import Dns
from freehold.core.model.troubles import Refusal
from freehold.core.protobuf.checks import Check, Checked, nothing_checked

Object = dict[str, Any]
"""A Kubernetes object, in the JSON form of the API."""


class Ref(NamedTuple):
    """Kind and name of an object in the service's own namespace."""

    kind: str
    name: str


class Key(NamedTuple):
    """Namespace and name of a Microservice. A namespace of another cluster is written as `remote.namespace_in` does."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Service:
    """A declared Microservice."""

    key: Key
    uid: str
    generation: int
    spec: MicroserviceSpec
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.key.name

    @property
    def namespace(self) -> str:
        return self.key.namespace


@dataclass(frozen=True)
class Peer:
    """Another Microservice, as far as a consumer, a provider or a counterpart may know the service.

    grpc: the declared endpoint. consumes: the providers the service declares. ready: whether condition Ready is True.
    contract: the published contract of the serving image, a serialized FileDescriptorSet; empty while unknown.
    calls: the declared methods of each provider, like `shop.users.v1.UsersService/GetUser`; without methods, all count.
    replaces: the namespace of the service that this service replaces, as reported in the status.
    destination: the namespace to which the service is to move. database: engine and version; empty without a database.
    move: the value of annotation `meta.MOVE`. stopped: the message of a move that is blocked.
    redirects: whether the status reports that the endpoint redirects to another service.
    max_backup_age: spec.placement.maxBackupAge. last_backup_at: the value of annotation `meta.LAST_BACKUP_AT`.
    uid: of the Microservice.
    """

    key: Key
    grpc: Grpc | None
    consumes: frozenset[Key]
    ready: bool = False
    contract: bytes = b""
    calls: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)
    replaces: str = ""
    destination: str = ""
    database: str = ""
    move: str = ""
    stopped: str = ""
    max_backup_age: str = ""
    last_backup_at: str = ""
    redirects: bool = False
    uid: str = ""


class Call(NamedTuple):
    """A declared call. budget: the latency budget in milliseconds; None: the provider's own budget."""

    provider: Key
    budget: int | None = None


class CallNode(NamedTuple):
    """A service in the call graph. budget: the declared latency budget of a call to the service, in milliseconds."""

    budget: int | None = None
    calls: tuple[Call, ...] = ()


EMPTY = CallNode()
"""The call-graph node of an unknown service."""


@dataclass(frozen=True)
class StorageClass:
    """A storage class of the cluster."""

    name: str
    default: bool = False
    expandable: bool = False


@dataclass(frozen=True)
class Platform:
    """Settings of the platform team for the whole cluster.

    operator_image: the image of probes and observers; without an image there are none. account: the operator's
    ServiceAccount, as `namespace:name`. secrets_role: the ClusterRole to bind where Secrets are kept.
    trust_domain: the trust domain of certificates (SPIFFE-ID, section 2.1). cluster_domain: the domain of DNS names.
    dns: the servers that pods may reach.
    """

    postgresql_image: str = "docker.io/library/postgres:{version}"
    operator_image: str = ""
    account: str = "freehold-system:freehold"
    secrets_role: str = "freehold-secrets"
    trust_domain: str = "cluster.local"
    cluster_domain: str = "cluster.local"
    dns: Dns = field(default_factory=Dns)


class ObservedConnection(NamedTuple):
    """A connection of a service in audit mode.

    component: the component of the service, `service` or `database`. direction: `in` or `out`. port: the port of the
    listener. peer: the address of the remote end. peer_service: service and component at the address, if known.
    """

    component: str
    direction: str
    port: int
    peer: str
    peer_service: tuple[Key, str] | None = None


@dataclass(frozen=True)
class Observed:
    """The inputs of a reconcile of a service.

    now: the time. objects: the service's own objects. pods: the service's own pods.
    peers: the providers of the service, the consumers, and the counterpart.
    graph: the call graph of all services, with latency budgets in milliseconds.
    aliases: services that moved to another namespace or are to move, each with the service that replaces it; only where
    both declare the move. namespace_labels: the labels of namespaces, by name.
    passwords: fresh passwords by role, for Secrets without one. certificates: fresh certificates by Secret.
    secrets_granted: whether the operator may keep Secrets in the namespace.
    addresses: the ports of all services as `host:port`, by service.
    breaches: messages on ports of the service that are unexpectedly reachable for the operator.
    unenforced: messages on nodes whose network plugin does not enforce policies.
    dns_closed: why network policies close DNS to pods; empty unless that is proven.
    connections: the observed connections of a service in audit mode.
    gateway_api: whether the cluster serves GRPCRoutes. copy_progress: the progress of a move, as reported by the
    database proxy (`freehold/agents/postgresql/proxy.py`), for people.
    callers: the pod addresses of each consumer, for a service that is called in another cluster.
    remote_targets: the pod addresses in another cluster to which a provider's name leads or may lead soon, by provider.
    checked: the known results of checks of contracts.
    counterpart: the objects of the counterpart. remote_note: what limits the view of a move's remote cluster, if any.
    crowds: the declared consumers of the service and of its providers, of each with more than `peers.shares.MOST`.
    refusals: the last refusals of pods of StatefulSets and Jobs. database_turn: whether a change of the platform may
    restart the database now. status: the last written status.
    """

    now: datetime
    platform: Platform = Platform()
    objects: Mapping[Ref, Object] = field(default_factory=dict)
    pods: tuple[Object, ...] = ()
    peers: Mapping[Key, Peer] = field(default_factory=dict)
    graph: Mapping[Key, CallNode] = field(default_factory=dict)
    aliases: Mapping[Key, Key] = field(default_factory=dict)
    namespace_labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    storage_classes: tuple[StorageClass, ...] = ()
    passwords: Mapping[str, str] = field(default_factory=dict)
    authority: Authority = field(default_factory=Authority)
    certificates: Mapping[str, Issued] = field(default_factory=dict)
    secrets_granted: bool = True
    addresses: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)
    breaches: tuple[str, ...] = ()
    unenforced: tuple[str, ...] = ()
    dns_closed: str = ""
    connections: tuple[ObservedConnection, ...] = ()
    gateway_api: bool = True
    copy_progress: Mapping[str, Any] = field(default_factory=dict)
    callers: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)
    remote_targets: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)
    checked: Checked = nothing_checked
    counterpart: Mapping[Ref, Object] = field(default_factory=dict)
    remote_note: str = ""
    crowds: Mapping[Key, frozenset[Key]] = field(default_factory=dict)
    refusals: Mapping[Ref, Refusal] = field(default_factory=dict)
    database_turn: bool = True
    status: Mapping[str, Any] = field(default_factory=dict)


class Turn(Enum):
    """Whether a plan restarts a ready database for a change of the platform: it does not, it does, or it would."""

    NONE = "None"
    TAKEN = "Taken"
    WAITING = "Waiting"


@dataclass(frozen=True)
class Plan:
    """The objects and the condition that a capability wants for a service.

    capability: the value of label `meta.CAPABILITY`; objects with the label that are neither in `objects` nor in `keep`
    are removed. keep: objects to leave unchanged. discard: empty objects to delete and create anew.
    status: fields to add to the resource's status. retry_after: seconds until the next reconcile, or None.
    checks: the checks of contracts that the plan needs and that have no result yet. turn: of the database.
    """

    capability: str
    objects: tuple[Object, ...]
    condition: Condition | None = None
    keep: frozenset[Ref] = frozenset()
    discard: frozenset[Ref] = frozenset()
    status: Mapping[str, Any] = field(default_factory=dict)
    retry_after: float | None = None
    checks: tuple[Check, ...] = ()
    turn: Turn = Turn.NONE
