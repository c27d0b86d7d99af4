"""The status of a Microservice, written by the operator."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from freehold.api.schema import Model


class Location(Model):
    """The location of a service, or of a database instance."""

    node_selector: dict[str, str] = Field(default_factory=dict)
    """The node labels."""
    namespace: str | None = None
    """The namespace, in a move between namespaces; a namespace of another cluster is written namespace@cluster."""
    class_name: str | None = None
    """The storage class of the volume."""


class Move(Model):
    """The current or last move."""

    from_: Annotated[Location, Field(alias="from")]
    """The location before the move."""
    to: Location
    """The destination."""
    step: str
    """The current step, which is the reason of condition Relocated."""
    server: str | None = None
    """The StatefulSet of the database instance at the destination; empty for a service without a database."""
    started_at: Annotated[str | None, Field(json_schema_extra={"format": "date-time"})] = None
    """The time at which the instance at the destination was created."""
    copied_bytes: Annotated[int | None, Field(json_schema_extra={"format": "int64"})] = None
    """The bytes copied so far."""
    total_bytes: Annotated[int | None, Field(json_schema_extra={"format": "int64"})] = None
    """The bytes to copy, as estimated at the start of the base backup."""
    lag_bytes: Annotated[int | None, Field(json_schema_extra={"format": "int64"})] = None
    """The replication lag of the instance at the destination, in bytes of WAL."""
    write_pause_ms: int | None = None
    """The time without writes during the switchover, in milliseconds."""
    switched_over_at: Annotated[str | None, Field(json_schema_extra={"format": "date-time"})] = None
    """The time at which the instance at the destination became the primary."""
    rollback_until: Annotated[str | None, Field(json_schema_extra={"format": "date-time"})] = None
    """The end of the rollback window."""


class Binding(Model):
    """A provisioned service of the Service Binding specification (servicebinding.io)."""

    name: str
    """The Secret with the service's credentials for the database."""


class Data(Model):
    """The claim that has held the data of the database."""

    claim: str = Field(max_length=63)
    """The PersistentVolumeClaim. If it is gone, or its volume, no empty one takes its place."""
    uid: str = Field(max_length=63)
    """The uid of the claim."""
    volume: str | None = Field(default=None, max_length=253)
    """The PersistentVolume of the claim."""
    epoch: Annotated[int, Field(json_schema_extra={"format": "int64"})]
    """The epoch of the primary; each switchover of a move raises it."""
    since: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """The time since which the data is known. Annotation freehold.dev/accept-data-loss with this value accepts that the
    data is lost."""


class ConditionStatus(Model):
    """A condition, with a reason for programs and a message for people."""

    type: str = Field(max_length=316)
    """The type of the condition."""
    status: Literal["True", "False", "Unknown"]
    """True: met. False: not met, and a person must act. Unknown: in progress."""
    reason: str = Field(min_length=1, max_length=1024)
    """The reason as a single word, for programs."""
    message: str = Field(max_length=32768)
    """The state, the cause and the action, for people."""
    last_transition_time: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """The time of the last change of the status."""
    observed_generation: Annotated[int, Field(json_schema_extra={"format": "int64"})]
    """The generation of the resource to which the condition applies."""


class Difference(Model):
    """A pair of caller and port whose reachability differs from the declared one."""

    from_: Annotated[str, Field(alias="from")]
    """The service from whose position the probe connected, as namespace/name."""
    to: str
    """The port, as host:port."""
    declared: Literal["Open", "Closed"]
    """The state that the resources declare."""
    found: Literal["Open", "Closed"]
    """The state that the connection attempt found."""


class Isolation(Model):
    """The result of the last probe from the service's position."""

    verified_at: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """The time at which the probe ended."""
    pairs: int
    """The number of ports that the probe tried."""
    differences: list[Difference] = Field(default_factory=list, max_length=64)
    """The pairs that differ from the declarations."""
    policy_hash: str
    """A digest of the network policies at the time of the probe; a change of the policies makes a new probe due."""


class Migrated(Model):
    """The last migration that was applied to the data."""

    image: str
    """The image that the schema is for."""
    hash: str
    """A digest of image, command and data; any other image, command or data makes a migration due."""


class Published(Model):
    """The contract of the serving image, as read from the image by gRPC Server Reflection."""

    digest: str
    """A digest of the contract; images with the same contract have the same digest."""
    image: str
    """The image from which the contract was read."""
    config_map: str
    """The ConfigMap with the contract: a serialized google.protobuf.FileDescriptorSet under `descriptor-set`."""


class PreviousTarget(Model):
    """The previous endpoint target, kept reachable until cached DNS answers expire."""

    namespace: str
    """The namespace of the previous target."""
    until: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """The time at which the previous target becomes unreachable."""


class MicroserviceStatus(Model):
    """The state that the operator observed."""

    observed_generation: Annotated[int, Field(json_schema_extra={"format": "int64"})] = 0
    """The generation of the resource to which the status applies."""
    endpoint: str | None = None
    """The address of the service for consumers, as host:port. The name never changes."""
    binding: Binding | None = None
    """The Secret with the service's credentials (servicebinding.io, provisioned service)."""
    replicas: int = 0
    """The number of pods."""
    selector: str | None = None
    """The label selector of the service's pods, for autoscalers."""
    database: str | None = None
    """The engine, version and size of the database, for tables."""
    data: Data | None = None
    """The claim that holds the data, recorded when the database was first ready."""
    consumes: str | None = None
    """The names of the consumed services, for tables."""
    isolation: Isolation | None = None
    """The result of the last probe of the network policies."""
    migrations: Migrated | None = None
    """The last migration that was applied, empty while another runs."""
    contract: Published | None = None
    """The published contract of the serving image."""
    move: Move | None = None
    """The current or last move."""
    endpoint_target: str | None = None
    """The namespace to which the endpoint redirects after a move between namespaces. A namespace of another cluster is
    written namespace@cluster, also in the fields below."""
    previous_target: PreviousTarget | None = None
    """The previous endpoint target, shortly after a change."""
    counterpart: str | None = None
    """The namespace of the Microservice of the same name that also has an instance with the data."""
    withdrawn_at: Annotated[str | None, Field(json_schema_extra={"format": "date-time"})] = None
    """The time at which a move of the data was withdrawn, until its counterpart has no path to the data any more."""
    replaces: str | None = None
    """The namespace of the Microservice of the same name that this service replaces, and whose consumers are admitted
    here."""
    conditions: Annotated[
        list[ConditionStatus],
        Field(json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
    ] = Field(default_factory=list)
    """The conditions. Ready summarizes the others."""
