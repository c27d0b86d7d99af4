"""The vocabulary of the core: what is asked for, what is seen, and what is to be done about it.

Everything here is data, and frozen. `Observed` holds all a capability may look at, the time and fresh passwords
included, so that the same input always gives the same `Plan`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from freehold.api.v1alpha1.grpc import Grpc
from freehold.api.v1alpha1.microservice import MicroserviceSpec
from freehold.core.model.conditions import Condition

Object = dict[str, Any]
"""A Kubernetes object as the API server takes and gives it."""


class Ref(NamedTuple):
    """An object of the service's own namespace."""

    kind: str
    name: str


class Key(NamedTuple):
    """A Microservice, wherever it is."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Service:
    """One Microservice as its team declared it."""

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
    """Another Microservice, as far as this one may know it: whether it listens, who consumes whom, and what it offers.

    contract: the descriptor set that it publishes for the image that serves, a serialized FileDescriptorSet; empty
    while that is not known. calls: the methods it declares to call of each service, like `shop.users.v1.UsersService/
    GetUser`; where none are declared, all are assumed. replaces: the namespace from which it said to take over the
    service of its name. heading: the namespace it is to go to. database: its version, empty where it has none.
    move: what its annotation says of a move (`meta.MOVE`). stopped: what keeps its move from going on. max_backup_age:
    how old the last backup of its data may be for a move to begin; last_backup_at: when that was made, as it says itself.
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


class Call(NamedTuple):
    """A call that a service declares. budget: what it may take, in milliseconds; None: what the provider promises."""

    provider: Key
    budget: int | None = None


class CallNode(NamedTuple):
    """Where a service stands among those that call each other. budget: what a call of it takes at most, in
    milliseconds; None where it promises nothing."""

    budget: int | None = None
    calls: tuple[Call, ...] = ()


EMPTY = CallNode()
"""Of a service of which nothing is known."""


@dataclass(frozen=True)
class StorageClass:
    """A storage class of the cluster."""

    name: str
    default: bool = False
    expandable: bool = False


@dataclass(frozen=True)
class Platform:
    """What the platform team set for the whole cluster.

    operator_image: what probes and observers run from; without it there are none. account: the operator's
    ServiceAccount, as `namespace:name`. secrets_role: the ClusterRole that lets it keep Secrets in a namespace where
    somebody binds it. trust_domain: of the identities in certificates (SPIFFE-ID, 2.1). cluster_domain: of the
    cluster's DNS names.
    """

    postgresql_image: str = "docker.io/library/postgres:{version}"
    operator_image: str = ""
    account: str = "freehold-system:freehold"
    secrets_role: str = "freehold-secrets"
    trust_domain: str = "cluster.local"
    cluster_domain: str = "cluster.local"


class Issued(NamedTuple):
    """A certificate with its chain, and its private key, both PEM."""

    certificate: str
    key: str


@dataclass(frozen=True)
class Authority:
    """The certificate authority as far as it is public, PEM: whom to trust, and who may have signed what is in use."""

    trusted: str = ""
    signers: str = ""


class ObservedConnection(NamedTuple):
    """A connection that was seen of a service whose isolation is Audit.

    component: whose, the service's or its database's. direction: `in` or `out`. port: where it was called, or called
    to. peer: the other side's address; who: the service and its component that stand there, if they are known.
    """

    component: str
    direction: str
    port: int
    peer: str
    who: tuple[Key, str] | None = None


@dataclass(frozen=True)
class Observed:
    """All a capability may look at.

    objects: the service's own objects, by kind and name. peers: the providers it names and the services that name it.
    graph: who declares to call whom, and how long that may take, of all services. forwards: the services that moved to
    another namespace or are about to, each with the one that takes over, where both say so.
    passwords: fresh ones, to be used only where none is kept. certificates: likewise, by the Secret each is for.
    secrets_granted: whether Freehold may keep Secrets in this namespace. addresses: every door of every service, as
    `host:port`, by service. breaches: shut doors of this service that opened to the operator, a stranger to it;
    unenforced: places of the cluster where what a policy forbids was let through. Both are sentences. connections:
    those that were seen, where isolation is Audit. gateway_api: whether the cluster serves GRPCRoutes. door: what
    that of a move under way tells of it (`freehold/door.py`), for people. partner: the objects of the service on the
    other side of a move between namespaces. callers: of a service whose consumers call it in another cluster, the
    addresses of their pods. led: the addresses in another cluster that a provider's name leads to, or may soon, by
    provider. unheard: why nothing more is heard of the other cluster of a move. status: what was last written.
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
    authority: Authority = Authority()
    certificates: Mapping[str, Issued] = field(default_factory=dict)
    secrets_granted: bool = True
    addresses: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)
    breaches: tuple[str, ...] = ()
    unenforced: tuple[str, ...] = ()
    connections: tuple[ObservedConnection, ...] = ()
    gateway_api: bool = True
    copy_progress: Mapping[str, Any] = field(default_factory=dict)
    callers: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)
    remote_targets: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)
    counterpart: Mapping[Ref, Object] = field(default_factory=dict)
    silent_cluster: str = ""
    status: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What a capability wants of the world: these objects, no others of its own but those it keeps, and this said.

    capability: whose plan it is; objects that carry its label and are neither wanted nor kept are removed.
    keep: objects to leave exactly as they are.
    discard: objects that hold nothing yet and are to be made anew.
    shown: what it adds to the resource's status. again: seconds after which it wants to be asked again.
    """

    capability: str
    objects: tuple[Object, ...]
    condition: Condition | None = None
    keep: frozenset[Ref] = frozenset()
    discard: frozenset[Ref] = frozenset()
    shown: Mapping[str, Any] = field(default_factory=dict)
    again: float | None = None
