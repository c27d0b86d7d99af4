"""The Microservice resource, version v1alpha1: what a team writes and what it reads back.

These models are the one source of the resource's schema. `freehold.api.crd` makes the
CustomResourceDefinition from them: descriptions become `kubectl explain`, bounds and CEL rules
become refusals by the API server. A field that nothing serves is not here.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

GROUP = "freehold.dev"
VERSION = "v1alpha1"
KIND = "Microservice"
PLURAL = "microservices"


def rules(*pairs: tuple[str, str]) -> dict[str, Any]:
    """CEL validations for a schema; a message that starts with `=` is itself a CEL expression (KEP-2876)."""
    return {
        "x-kubernetes-validations": [
            {
                "rule": rule,
                ("messageExpression" if text.startswith("=") else "message"): text.removeprefix("="),
            }
            for rule, text in pairs
        ]
    }


class Model(BaseModel):
    """Camel-cased outside, snake-cased inside; unknown fields are refused by the API server's strict decoding."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, use_attribute_docstrings=True
    )


class ConsumersFrom(StrEnum):
    """Whose services may consume an endpoint."""

    SAME_NAMESPACE = "SameNamespace"
    SELECTOR = "Selector"
    ALL = "All"


class DeletionPolicy(StrEnum):
    """What happens to the data when the resource is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


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


class Grpc(Model):
    """The gRPC endpoint, and who may consume it."""

    port: int = Field(default=50051, ge=1024, le=65535)
    """The port the service listens on, handed to it as GRPC_PORT. Services run without privileges, hence from 1024."""
    consumers: Annotated[Consumers, Field(json_schema_extra={"default": {"from": "SameNamespace"}})] = Field(
        default_factory=Consumers
    )
    """Who may consume this endpoint."""


class Http(Model):
    """An HTTP port for a front end; open to every caller, inside the cluster and through an ingress."""

    port: int = Field(default=8080, ge=1024, le=65535)
    """The port the service listens on, handed to it as HTTP_PORT. Without gRPC, GET /healthz on it says it is ready."""


QUANTITY = r"^[1-9][0-9]*(\.[0-9]+)?(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$"


class Storage(Model):
    """The volume of a database server."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.className) == has(oldSelf.className) && "
                "(!has(self.className) || self.className == oldSelf.className)",
                "the storage class of a database cannot be changed in place; its volume stays where it is",
            )
        )
    )

    size: Annotated[
        str,
        Field(
            pattern=QUANTITY,
            max_length=20,
            json_schema_extra=rules(
                (
                    "quantity(self).compareTo(quantity(oldSelf)) >= 0",
                    "='cannot shrink from ' + oldSelf + ' to ' + self + '; a volume only grows'",
                )
            ),
        ),
    ]
    """How much the volume holds, like 1Gi. It may grow where the storage class allows expansion; it never shrinks."""
    class_name: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """The storage class of the volume; left out, the cluster's default."""


class Migrations(Model):
    """How the schema is brought up to date: a command of the service's own image, run before its rollout."""

    command: list[Annotated[str, Field(min_length=1, max_length=1024)]] = Field(min_length=1, max_length=64)
    """The command, without a shell, like [payments, migrate]. It runs as the role that owns the schema, must be
    safe to run again, and new pods start only after it has succeeded."""


class Resources(Model):
    """What a container asks for and is held to, as Kubernetes writes it."""

    requests: dict[str, Annotated[str, Field(max_length=20)]] = Field(default_factory=dict)
    """What is set aside for it, like {cpu: 100m, memory: 128Mi}."""
    limits: dict[str, Annotated[str, Field(max_length=20)]] = Field(default_factory=dict)
    """What it may use at most, like {memory: 512Mi}."""


class Database(Model):
    """A database server of this service's own. No field lets two services share one."""

    engine: Annotated[
        Literal["postgresql"],
        Field(json_schema_extra=rules(("self == oldSelf", "the engine of a database cannot be changed in place"))),
    ] = "postgresql"
    """The database engine."""
    version: Annotated[
        str,
        Field(
            pattern=r"^1[4-8]$",
            max_length=2,
            json_schema_extra=rules(
                (
                    "self == oldSelf",
                    "='cannot go from ' + oldSelf + ' to ' + self + ' in place; "
                    "a major version writes its files in a form of its own'",
                )
            ),
        ),
    ] = "15"
    """The engine's major version, 14 to 18."""
    storage: Storage
    """The volume its data lives on."""
    migrations: Migrations | None = None
    """How the schema is brought up to date before each rollout."""
    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN
    """Retain keeps the volume and its credentials when this resource is deleted; a resource of the same name takes
    them up again. Delete deletes them with it."""
    resources: Resources | None = None
    """What the server asks for and is held to; left out: 25m CPU and 128Mi requested, 512Mi at most."""


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
