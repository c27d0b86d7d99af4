"""The Microservice resource, version v1alpha1: what a team writes and what it reads back.

These models are the one source of the resource's schema. `freehold.api.crd` makes the
CustomResourceDefinition from them: descriptions become `kubectl explain`, bounds and CEL rules
become refusals by the API server. A field that nothing serves is not here.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from freehold.api import naming
from freehold.api.base import Model, rules
from freehold.api.database import Database, Resources
from freehold.api.grpc import Consumed, Grpc, Http, Latency
from freehold.api.placement import Move, Placement

GROUP = "freehold.dev"
VERSION = "v1alpha1"
KIND = "Microservice"
PLURAL = "microservices"


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
    latency_budget: Latency | None = None
    """What a call of this service takes at most, all that it calls included; handed to it as LATENCY_BUDGET_MS. A
    budget that what is called below may exceed is named in condition PathsWithinBudget."""
    egress: list[Egress] = Field(default_factory=list, max_length=32)
    """The world outside, closed unless named here. What stands inside the cluster stays shut by walls of its own."""
    isolation: IsolationMode = IsolationMode.ENFORCED
    """Enforced: walls stand. Shadow: none do, and condition IsolationEnforced says which connections they would cut,
    for moving a service that runs already; an observer beside it sees them. A change rolls the pods."""
    placement: Placement = Field(default_factory=Placement)
    """Where the service and its database stand. Changing it, or the database's storage class, moves both."""
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


class Published(Model):
    """The contract of the image that serves: what it offers, as it said itself."""

    digest: str
    """Stands for what is offered; two images that offer the same have the same."""
    image: str
    """The image that was asked."""
    config_map: str
    """The ConfigMap that holds it: a serialized google.protobuf.FileDescriptorSet under `descriptor-set`."""


class WayOpen(Model):
    """A way that stays open for those whom DNS told it before the name turned."""

    namespace: str
    """Where it leads."""
    until: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """When it closes."""


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
    contract: Published | None = None
    """What it offers to its consumers."""
    move: Move | None = None
    """Its last move, or the one under way."""
    leads_to: str | None = None
    """The namespace that the endpoint's name leads to, after a move there; one of another cluster is written
    namespace@cluster, here and below."""
    way_open: WayOpen | None = None
    """Where that name led until a moment ago."""
    data_with: str | None = None
    """The namespace of the Microservice of the same name that has a server with this one's data too."""
    takes_over: str | None = None
    """The namespace of the Microservice of the same name whose consumers this one admits, for it takes over."""
    conditions: Annotated[
        list[ConditionStatus],
        Field(json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
    ] = Field(default_factory=list)
    """What is true, and what it waits for and why. Ready sums them up."""


NAME_RULES = rules(
    *naming.validations(),
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
