"""The Microservice resource, version v1alpha1: what a team writes and what it reads back.

These models are the one source of the resource's schema. `freehold.api.crd` makes the
CustomResourceDefinition from them: descriptions become `kubectl explain`, bounds and CEL rules
become refusals by the API server. A field that nothing serves is not here.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from freehold.api.base import Model, rules
from freehold.api.database import Database, Resources

GROUP = "freehold.dev"
VERSION = "v1alpha1"
KIND = "Microservice"
PLURAL = "microservices"


class ConsumersFrom(StrEnum):
    """Whose services may consume an endpoint."""

    SAME_NAMESPACE = "SameNamespace"
    SELECTOR = "Selector"
    ALL = "All"


class SelectorRequirement(Model):
    """One requirement on a label: a key, an operator, and the values it is compared with."""

    key: str
    """The label's key."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """In and NotIn compare with values; Exists and DoesNotExist look at the key alone."""
    values: list[str] = Field(default_factory=list, max_length=64)
    """The values to compare with; empty for Exists and DoesNotExist."""


class NamespaceSelector(Model):
    """Selects namespaces by their labels; all that is stated must hold."""

    match_labels: dict[str, str] = Field(default_factory=dict)
    """Labels a namespace must carry. Each namespace carries kubernetes.io/metadata.name with its own name."""
    match_expressions: list[SelectorRequirement] = Field(default_factory=list, max_length=16)
    """Requirements on a namespace's labels."""


class Consumers(Model):
    """The provider's consent: from which namespaces services may consume this endpoint."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "(self.from == 'Selector') == has(self.selector)",
                "=self.from == 'Selector' ? 'from: Selector needs a selector that says which namespaces' "
                ": 'a selector is only read with from: Selector; this one says from: ' + self.from",
            )
        )
    )

    from_: Annotated[ConsumersFrom, Field(alias="from")] = ConsumersFrom.SAME_NAMESPACE
    """SameNamespace admits this namespace, Selector the namespaces that selector selects, All every namespace. A
    consumer must still declare `consumes`; consent alone opens nothing."""
    selector: NamespaceSelector | None = None
    """Which namespaces may consume; with from: Selector."""


class Tls(StrEnum):
    """How callers and an endpoint prove themselves to each other."""

    PLAINTEXT = "Plaintext"
    MUTUAL = "Mutual"


class Grpc(Model):
    """The gRPC endpoint, and who may consume it."""

    port: int = Field(default=50051, ge=1024, le=65535)
    """The port the service listens on, handed to it as GRPC_PORT. Services run without privileges, hence from 1024."""
    consumers: Annotated[Consumers, Field(json_schema_extra={"default": {"from": "SameNamespace"}})] = Field(
        default_factory=Consumers
    )
    """Who may consume this endpoint."""
    tls: Tls = Tls.PLAINTEXT
    """Mutual: both sides prove themselves by certificates, which arrive in GRPC_TLS_DIR and are renewed there. The
    service speaks TLS on its port, admits the clients that are listed there, and answers health checks, unencrypted, on
    GRPC_HEALTH_PORT. A change of this rolls both sides, and calls between them fail meanwhile."""


class Http(Model):
    """An HTTP port for a front end; open to every caller, inside the cluster and through an ingress."""

    port: int = Field(default=8080, ge=1024, le=65535)
    """The port the service listens on, handed to it as HTTP_PORT. Without gRPC, GET /healthz on it says it is ready."""


class Consumed(Model):
    """A service whose endpoint this one calls."""

    name: str = Field(
        pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$",
        max_length=40,
        json_schema_extra=rules(("self != 'database'", "no service is named 'database'; it names this one's own")),
    )
    """The provider's name; its address arrives as <NAME>_GRPC_TARGET."""
    namespace: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)] | None = None
    """The provider's namespace; left out, this one. The provider must consent under its spec.grpc.consumers."""


CIDR = r"^[0-9a-fA-F:.]+/[0-9]{1,3}$"
Port = Annotated[int, Field(ge=1, le=65535)]


class IsolationMode(StrEnum):
    """Whether walls stand around a service, or are only thought of."""

    ENFORCED = "Enforced"
    SHADOW = "Shadow"


class Egress(Model):
    """A part of the world outside that this service may call."""

    cidr: Annotated[
        str,
        Field(
            pattern=CIDR,
            max_length=43,
            json_schema_extra=rules(
                ("isCIDR(self)", "is no block of addresses; write one like 203.0.113.0/24 or 2001:db8::/32"),
            ),
        ),
    ]
    """A block of addresses, like 203.0.113.0/24; a single one ends in /32, or /128. Names cannot be given: a network
    policy knows addresses alone (networking.k8s.io/v1)."""
    ports: list[Port] = Field(min_length=1, max_length=16)
    """The ports that are called there, like [443]."""
    protocol: Literal["TCP", "UDP"] = "TCP"
    """TCP or UDP."""


class MicroserviceSpec(Model):
    """What the team declares."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.grpc) || has(self.http)",
                "a service needs spec.grpc or spec.http, else nothing can reach it",
            ),
            (
                "!has(self.grpc) || !has(self.http) || self.grpc.port != self.http.port",
                "spec.grpc.port and spec.http.port are the same; give each a port of its own",
            ),
        )
    )

    image: str = Field(pattern=r"^[^\s]+$", min_length=1, max_length=1024)
    """The service's container image. It must run as a numeric user other than root, on a read-only root filesystem
    with /tmp to write to."""
    replicas: int = Field(default=1, ge=0, le=100)
    """How many pods serve; `kubectl scale` sets it too. Two or more spread over zones and get a disruption budget."""
    grpc: Grpc | None = None
    """The gRPC endpoint. Its health service (grpc.health.v1) says when the pod is ready."""
    http: Http | None = None
    """An HTTP port for a front end."""
    database: Database | None = None
    """A database server of this service's own."""
    consumes: Annotated[
        list[Consumed],
        Field(
            max_length=32,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = Field(default_factory=list)
    """The services whose gRPC endpoints this one calls, and the only ones it can reach."""
    egress: list[Egress] = Field(default_factory=list, max_length=32)
    """The world outside, closed unless named here. What stands inside the cluster stays shut by walls of its own."""
    isolation: IsolationMode = IsolationMode.ENFORCED
    """Enforced: walls stand. Shadow: none do, and condition IsolationEnforced says which connections they would cut,
    for moving a service that runs already; an observer beside it sees them. A change rolls the pods."""
    resources: Resources | None = None
    """What each pod asks for and is held to; left out: 25m CPU and 64Mi requested, 512Mi at most."""


class Binding(Model):
    """A provisioned service, as servicebinding.io says."""

    name: str
    """The Secret with the service's credentials for its database."""


class ConditionStatus(Model):
    """One thing that is true, false, or not known yet."""

    type: str = Field(max_length=316)
    """What it is about."""
    status: Literal["True", "False", "Unknown"]
    """True: it holds. False: it does not, and needs somebody. Unknown: under way."""
    reason: str = Field(min_length=1, max_length=1024)
    """One word for programs."""
    message: str = Field(max_length=32768)
    """What happened, and what to do about it."""
    last_transition_time: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """When the status last changed."""
    observed_generation: Annotated[int, Field(json_schema_extra={"format": "int64"})]
    """The generation of the resource this was said about."""


class Difference(Model):
    """A pair that is not as declared."""

    from_: Annotated[str, Field(alias="from")]
    """The service whose place was tried from, as namespace/name."""
    to: str
    """The door that was tried, as host:port."""
    declared: Literal["Open", "Closed"]
    """What the resources say of it."""
    found: Literal["Open", "Closed"]
    """What a connection attempt found."""


class Isolation(Model):
    """What the last probe found, from where the service stands."""

    proven_at: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """When the probe ended."""
    pairs: int
    """How many doors it tried."""
    differences: list[Difference] = Field(default_factory=list, max_length=64)
    """The pairs that are not as declared."""
    of: str
    """A digest of the walls that were tried; a probe is due when it differs."""


class MicroserviceStatus(Model):
    """What the operator observed."""

    observed_generation: Annotated[int, Field(json_schema_extra={"format": "int64"})] = 0
    """The generation of the resource that this status speaks of."""
    endpoint: str | None = None
    """Where consumers reach the service; this name never changes."""
    binding: Binding | None = None
    """The Secret that binds the service to its database (servicebinding.io provisioned service)."""
    replicas: int = 0
    """How many pods there are."""
    selector: str | None = None
    """Selects the service's pods; read by autoscalers."""
    database: str | None = None
    """The database server in a few words, for tables."""
    consumes: str | None = None
    """The services it consumes, for tables."""
    isolation: Isolation | None = None
    """What the last probe of its walls found."""
    conditions: Annotated[
        list[ConditionStatus],
        Field(json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
    ] = Field(default_factory=list)
    """What is true, and what it waits for and why. Ready sums them up."""


NAME_RULES = rules(
    (
        "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && size(self.metadata.name) <= 40",
        '="metadata.name \'" + self.metadata.name + "\' must be at most 40 lower-case letters, digits and hyphens, '
        'start with a letter and end with a letter or digit; it becomes a DNS name"',
    ),
    (
        "!self.metadata.name.contains('-database')",
        "=\"metadata.name '\" + self.metadata.name + \"' contains '-database', which names the databases of services\"",
    ),
    (
        "self.metadata.name != 'database'",
        "a service is not named 'database'; its consumers find their own database under that name",
    ),
    (
        "!has(self.spec.consumes) || "
        "!self.spec.consumes.exists(c, c.name == self.metadata.name && !has(c.__namespace__))",
        "a service does not consume itself; take its own name out of spec.consumes",
    ),
)


class Microservice(Model):
    """A service that owns everything it stands on: a database server of its own, a gRPC endpoint whose name never
    changes, credentials nobody else holds, and walls that let in declared consumers alone."""

    model_config = ConfigDict(json_schema_extra=NAME_RULES)

    spec: MicroserviceSpec
    """What you declare."""
    status: MicroserviceStatus | None = None
    """What Freehold observed."""
