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
from freehold.api.schema import Model, rules
from freehold.api.v1alpha1.database import Database, Resources
from freehold.api.v1alpha1.grpc import Consumed, Grpc, Http, Latency
from freehold.api.v1alpha1.placement import Placement
from freehold.api.v1alpha1.status import MicroserviceStatus

GROUP = "freehold.dev"
VERSION = "v1alpha1"
KIND = "Microservice"
PLURAL = "microservices"


CIDR = r"^[0-9a-fA-F:.]+/[0-9]{1,3}$"
Port = Annotated[int, Field(ge=1, le=65535)]


class IsolationMode(StrEnum):
    """Whether walls stand around a service, or are only thought of."""

    ENFORCED = "Enforced"
    AUDIT = "Audit"


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
    """Enforced: walls stand. Audit: none do, and condition IsolationEnforced says which connections they would cut,
    for moving a service that runs already; an observer beside it sees them. A change rolls the pods."""
    placement: Placement = Field(default_factory=Placement)
    """Where the service and its database stand. Changing it, or the database's storage class, moves both."""
    resources: Resources | None = None
    """What each pod asks for and is held to; left out: 25m CPU and 64Mi requested, 512Mi at most."""


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
