"""The part of the resource that declares how a service is called, and whom it calls."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from freehold.api.schema import Model, rules
from freehold.api.v1alpha1.expose import Expose, Namespace

Latency = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}(ms|s)$", max_length=8)]
"""What a call may take, like 250ms or 2s."""


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


class ContractSource(StrEnum):
    """Where it is read from what a service offers."""

    REFLECTION = "Reflection"
    NONE = "None"


class Grpc(Model):
    """The gRPC endpoint, and who may consume it."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.expose) || !has(self.tls) || self.tls != 'Mutual'",
                "tls: Mutual admits callers by certificates that Freehold issues to services, and a Gateway has none: "
                "take out expose, or tls: Mutual, or expose another service that consumes this one",
            )
        )
    )

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
    contract: ContractSource = ContractSource.REFLECTION
    """Reflection: each image is asked what it offers (gRPC Server Reflection), and one that would break a declared
    consumer is held back before its first pod. None: the image does not answer reflection; nothing is held back."""
    expose: Expose | None = None
    """Lets callers from outside the cluster in, through a Gateway of the Gateway API; condition Exposed says whether
    that works. What they may do is for the service to decide."""


class Http(Model):
    """An HTTP port for a front end; open to every caller, inside the cluster and through an ingress."""

    port: int = Field(default=8080, ge=1024, le=65535)
    """The port the service listens on, handed to it as HTTP_PORT. Without gRPC, GET /healthz on it says it is ready."""


METHOD = "^[A-Za-z_][A-Za-z0-9_.]*/([A-Za-z_][A-Za-z0-9_]*|[*])$"
METHOD_FORM = "is no method; write one like shop.users.v1.UsersService/GetUser, or shop.users.v1.UsersService/* for all"
Method = Annotated[
    str,
    Field(max_length=200, json_schema_extra=rules((f"self.matches('{METHOD}')", METHOD_FORM))),
]


class Consumed(Model):
    """A service whose endpoint this one calls."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.hedgeAfter) || !has(self.latencyBudget) || "
                "duration(self.hedgeAfter) < duration(self.latencyBudget)",
                "='hedgeAfter ' + self.hedgeAfter + ' is not shorter than latencyBudget ' + self.latencyBudget + "
                "'; by then the call is over'",
            )
        )
    )

    name: str = Field(
        pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$",
        max_length=40,
        json_schema_extra=rules(("self != 'database'", "no service is named 'database'; it names this one's own")),
    )
    """The provider's name; its address arrives as <NAME>_GRPC_TARGET."""
    namespace: Namespace | None = None
    """The provider's namespace; left out, this one. The provider must consent under its spec.grpc.consumers."""
    latency_budget: Latency | None = None
    """What a call to it may take from here, all that it calls included; left out, what the provider itself promises
    (its spec.latencyBudget). It is the timeout in the published service config."""
    hedge_after: Latency | None = None
    """After this time a call without an answer is made a second time, and the first answer counts; only of methods
    whose contract says NO_SIDE_EFFECTS. gRPC in Java and Node does so; in Go and Python it does not, and then does not
    repeat these methods either."""
    methods: Annotated[list[Method], Field(max_length=64, json_schema_extra={"x-kubernetes-list-type": "set"})] = Field(
        default_factory=list
    )
    """The methods that are called there, like shop.users.v1.UsersService/GetUser, or shop.users.v1.UsersService/* for
    all of a service. A change of the provider that breaks one of these is held back; left out, all are assumed."""
