"""The part of the resource that declares the endpoints of a service, and the services that are called."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from freehold.api.schema import LabelValue, Model, QualifiedName, rules
from freehold.api.v1alpha1.expose import Expose, Namespace

Latency = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}(ms|s)$", max_length=8)]
"""The longest duration of a call, such as 250ms or 2s."""


class ConsumersFrom(StrEnum):
    """The namespaces whose services may consume an endpoint."""

    SAME_NAMESPACE = "SameNamespace"
    SELECTOR = "Selector"
    ALL = "All"


class SelectorRequirement(Model):
    """A requirement on a label: a key, an operator and values."""

    key: QualifiedName
    """The key of the label."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """In and NotIn compare the label's value with values; Exists and DoesNotExist check only the key."""
    values: list[LabelValue] = Field(default_factory=list, max_length=64)
    """The values for In and NotIn; empty for Exists and DoesNotExist."""


class NamespaceSelector(Model):
    """A selector of namespaces by label. All requirements must hold."""

    match_labels: dict[QualifiedName, LabelValue] = Field(default_factory=dict, max_length=16)
    """Labels that a namespace must carry. Every namespace carries its name as kubernetes.io/metadata.name."""
    match_expressions: list[SelectorRequirement] = Field(default_factory=list, max_length=16)
    """Requirements on the labels of a namespace."""


class Consumers(Model):
    """The provider's consent: the namespaces from which services may consume this endpoint."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "(self.from == 'Selector') == has(self.selector)",
                "=self.from == 'Selector' ? 'from: Selector needs a selector; add one, or change from' "
                ": 'selector requires from: Selector, and from is ' + self.from + '; change from, or remove selector'",
            )
        )
    )

    from_: Annotated[ConsumersFrom, Field(alias="from")] = ConsumersFrom.SAME_NAMESPACE
    """SameNamespace (default) admits the service's namespace, Selector the namespaces that selector selects, All every
    namespace. A consumer must also declare the call in spec.consumes."""
    selector: NamespaceSelector | None = None
    """The namespaces to admit; required with from: Selector, and refused otherwise."""


class Tls(StrEnum):
    """The authentication between callers and an endpoint."""

    PLAINTEXT = "Plaintext"
    MUTUAL = "Mutual"


class ContractSource(StrEnum):
    """The source of a service's contract."""

    REFLECTION = "Reflection"
    NONE = "None"


class Grpc(Model):
    """The gRPC endpoint and the consumers to admit."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.expose) || !has(self.tls) || self.tls != 'Mutual'",
                "tls: Mutual requires certificates that Freehold issues to services, and a Gateway has none; "
                "remove expose or tls: Mutual, or expose another service that consumes this one",
            )
        )
    )

    port: int = Field(default=50051, ge=1024, le=65535)
    """The port on which the service listens, passed as GRPC_PORT (default: 50051). At least 1024, since services run
    without privileges."""
    consumers: Annotated[Consumers, Field(json_schema_extra={"default": {"from": "SameNamespace"}})] = Field(
        default_factory=Consumers
    )
    """The namespaces from which services may consume this endpoint."""
    tls: Tls = Tls.PLAINTEXT
    """Plaintext (default), or Mutual: service and consumers authenticate by certificates, which are mounted and renewed
    in GRPC_TLS_DIR. With Mutual, the service must serve TLS on its port, admit the clients listed in GRPC_TLS_DIR, and
    answer unencrypted health checks on GRPC_HEALTH_PORT. A change restarts the pods of service and consumers, and calls
    fail until both are done."""
    contract: ContractSource = ContractSource.REFLECTION
    """Reflection (default): the contract of each image is read by gRPC Server Reflection, and an image that would break
    a declared consumer is not rolled out. None: no contract is read, and rollouts are not checked."""
    expose: Expose | None = None
    """Access from outside the cluster, by a Gateway of the Gateway API. Condition Exposed shows the state of the route.
    The service must authorize such callers."""


class Http(Model):
    """An HTTP port for a front end, open to every caller inside the cluster and by an ingress."""

    port: int = Field(default=8080, ge=1024, le=65535)
    """The port on which the service listens, passed as HTTP_PORT (default: 8080). Without spec.grpc, GET /healthz on
    the port is the readiness probe."""


METHOD = "^[A-Za-z_][A-Za-z0-9_.]*/([A-Za-z_][A-Za-z0-9_]*|[*])$"
METHOD_FORM = (
    "is not a method; write one like shop.users.v1.UsersService/GetUser, or shop.users.v1.UsersService/* for all"
)
Method = Annotated[
    str,
    Field(max_length=200, json_schema_extra=rules((f"self.matches('{METHOD}')", METHOD_FORM))),
]


class Consumed(Model):
    """A provider, whose endpoint this service calls."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.hedgeAfter) || !has(self.latencyBudget) || "
                "duration(self.hedgeAfter) < duration(self.latencyBudget)",
                "='hedgeAfter ' + self.hedgeAfter + ' is not shorter than latencyBudget ' + self.latencyBudget + "
                "'; lower hedgeAfter, or raise latencyBudget'",
            )
        )
    )

    name: str = Field(
        pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$",
        max_length=40,
        json_schema_extra=rules(("self != 'database'", "no service is named 'database'; see spec.database")),
    )
    """The name of the provider. The address is passed as <NAME>_GRPC_TARGET."""
    namespace: Namespace | None = None
    """The namespace of the provider. Default: the service's namespace. The provider must admit this namespace in
    spec.grpc.consumers."""
    latency_budget: Latency | None = None
    """The longest duration of a call to the provider, all further calls included; the timeout in the published service
    config. Default: the provider's spec.latencyBudget."""
    hedge_after: Latency | None = None
    """The time after which an unanswered call is repeated, and the first answer is used; only for methods with
    idempotency_level NO_SIDE_EFFECTS. gRPC for Java and Node supports hedging. gRPC for Go and Python does not, and
    then does not retry these methods either."""
    methods: Annotated[list[Method], Field(max_length=64, json_schema_extra={"x-kubernetes-list-type": "set"})] = Field(
        default_factory=list
    )
    """The called methods, such as shop.users.v1.UsersService/GetUser, or shop.users.v1.UsersService/* for all methods
    of a gRPC service. A new image of the provider that breaks a called method is not rolled out. Default: all methods
    count as called."""
