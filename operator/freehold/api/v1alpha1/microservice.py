"""The Microservice resource, version v1alpha1.

The models are the only source of the resource's schema. Module `freehold.api.crd` generates the
CustomResourceDefinition from the models: docstrings of fields become `kubectl explain`, bounds and CEL rules become
refusals by the API server. Every field has an effect.
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
StartupTimeout = Annotated[
    str,
    Field(
        pattern=r"^[1-9][0-9]{0,3}(s|min|h)$",
        max_length=7,
        json_schema_extra=rules(
            (
                "!self.matches('^[0-9]{1,4}(s|min|h)$') || duration(self.replace('min', 'm')) <= duration('1h')",
                "is longer than 1h; shorten the start of the service, such as by loading data after the start",
            ),
        ),
    ),
]
"""A duration, such as 90s or 5min."""


class IsolationMode(StrEnum):
    """Whether network policies are applied or only audited."""

    ENFORCED = "Enforced"
    AUDIT = "Audit"


class Egress(Model):
    """A destination outside the cluster that the service may call."""

    cidr: Annotated[
        str,
        Field(
            pattern=CIDR,
            max_length=43,
            json_schema_extra=rules(
                ("isCIDR(self)", "is not an address block; write one like 203.0.113.0/24 or 2001:db8::/32"),
            ),
        ),
    ]
    """An address block, such as 203.0.113.0/24; a single address ends in /32, or in /128 for IPv6. Host names are not
    possible, since network policies match addresses only (networking.k8s.io/v1)."""
    ports: list[Port] = Field(min_length=1, max_length=16)
    """The ports to call, such as [443]."""
    protocol: Literal["TCP", "UDP"] = "TCP"
    """The protocol, TCP (default) or UDP."""


class MicroserviceSpec(Model):
    """The declaration of the service."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.grpc) || has(self.http)",
                "a service needs spec.grpc or spec.http; declare at least one port",
            ),
            (
                "!has(self.grpc) || !has(self.http) || self.grpc.port != self.http.port",
                "spec.grpc.port and spec.http.port are the same; give each a port of its own",
            ),
        )
    )

    image: str = Field(pattern="^[!-~]+$", min_length=1, max_length=1024)
    """The container image of the service. The image must run as a numeric user other than root, with a read-only root
    filesystem; /tmp is writable."""
    replicas: int = Field(default=1, ge=0, le=100)
    """The number of pods (default: 1), also set by `kubectl scale`. Two or more are spread over zones and get a
    PodDisruptionBudget."""
    grpc: Grpc | None = None
    """The gRPC endpoint. The health service (grpc.health.v1) is the readiness probe of the pods."""
    http: Http | None = None
    """The HTTP port of a front end."""
    database: Database | None = None
    """The database server for this service alone. Default: no database."""
    consumes: Annotated[
        list[Consumed],
        Field(
            max_length=32,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = Field(default_factory=list)
    """The services whose gRPC endpoints this service calls. No other service can be reached."""
    latency_budget: Latency | None = None
    """The longest duration of a call to this service, all further calls included; passed in milliseconds as
    LATENCY_BUDGET_MS. Condition PathsWithinBudget names a budget that calls further down may exceed."""
    startup_timeout: StartupTimeout | None = None
    """The longest time from the start of a container until the health check succeeds, at most 1h (default: 120s). Then
    the container is ended and started again."""
    egress: list[Egress] = Field(default_factory=list, max_length=32)
    """The destinations outside the cluster that the service may call. Default: none. Microservices inside the
    cluster stay closed by their own network policies."""
    isolation: IsolationMode = IsolationMode.ENFORCED
    """Enforced (default): network policies are applied. Audit: no policies are applied, and condition IsolationEnforced
    lists the connections that policies would cut, as seen by an observer in each pod. A change restarts the pods."""
    placement: Placement = Field(default_factory=Placement)
    """The location of the service and its database. A change of the location, or of the database's storage class, moves
    both."""
    resources: Resources | None = None
    """The resources of each pod. Default: requests of 25m CPU and 64Mi memory, and a memory limit of 512Mi."""


NAME_RULES = rules(
    *naming.validations(),
    (
        "!has(self.spec.consumes) || "
        "!self.spec.consumes.exists(c, c.name == self.metadata.name && !has(c.__namespace__))",
        "a service does not consume itself; remove the service's own name from spec.consumes",
    ),
)


class Microservice(Model):
    """A service with a database server and credentials of its own, a gRPC endpoint with a name that never changes, and
    network policies that admit declared consumers only."""

    model_config = ConfigDict(json_schema_extra=NAME_RULES)

    spec: MicroserviceSpec
    """The declared state."""
    status: MicroserviceStatus | None = None
    """The observed state."""
