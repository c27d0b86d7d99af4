"""The status of a Microservice: what the operator writes and what people, tables and other resources read back."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from freehold.api.schema import Model


class Location(Model):
    """Where a service stands, or its database's server."""

    node_selector: dict[str, str] = Field(default_factory=dict)
    """The labels of its nodes."""
    namespace: str | None = None
    """Its namespace, where it moves to another; one of another cluster is written namespace@cluster."""
    class_name: str | None = None
    """The storage class of its volume."""


class Move(Model):
    """The last move, or the one under way."""

    from_: Annotated[Location, Field(alias="from")]
    """Where it stood before."""
    to: Location
    """Where it goes, or went."""
    step: str
    """How far it is, in one word, as the reason of condition Relocated."""
    server: str | None = None
    """The StatefulSet of the server at the destination; none where a service without a database moves."""
    started_at: Annotated[str | None, Field(json_schema_extra={"format": "date-time"})] = None
    """When the server at the destination was asked for."""
    copied_bytes: Annotated[int | None, Field(json_schema_extra={"format": "int64"})] = None
    """What has been copied so far."""
    total_bytes: Annotated[int | None, Field(json_schema_extra={"format": "int64"})] = None
    """What there is to copy, as estimated when it began."""
    lag_bytes: Annotated[int | None, Field(json_schema_extra={"format": "int64"})] = None
    """How far the server at the destination is behind."""
    write_pause_ms: int | None = None
    """How long no write was taken at the switch, in milliseconds."""
    switched_over_at: Annotated[str | None, Field(json_schema_extra={"format": "date-time"})] = None
    """When the server at the destination took over."""
    rollback_until: Annotated[str | None, Field(json_schema_extra={"format": "date-time"})] = None
    """Until when the server that was left is kept."""


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

    verified_at: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """When the probe ended."""
    pairs: int
    """How many doors it tried."""
    differences: list[Difference] = Field(default_factory=list, max_length=64)
    """The pairs that are not as declared."""
    policy_hash: str
    """A digest of the walls that were tried; a probe is due when it differs."""


class Published(Model):
    """The contract of the image that serves: what it offers, as it said itself."""

    digest: str
    """Stands for what is offered; two images that offer the same have the same."""
    image: str
    """The image that was asked."""
    config_map: str
    """The ConfigMap that holds it: a serialized google.protobuf.FileDescriptorSet under `descriptor-set`."""


class PreviousTarget(Model):
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
    previous_target: PreviousTarget | None = None
    """Where that name led until a moment ago."""
    counterpart: str | None = None
    """The namespace of the Microservice of the same name that has a server with this one's data too."""
    replaces: str | None = None
    """The namespace of the Microservice of the same name whose consumers this one admits, for it takes over."""
    conditions: Annotated[
        list[ConditionStatus],
        Field(json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
    ] = Field(default_factory=list)
    """What is true, and what it waits for and why. Ready sums them up."""
