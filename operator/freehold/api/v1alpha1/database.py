"""The part of the resource that declares the database of a service."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from freehold.api.schema import Model, QualifiedName, rules
from freehold.api.v1alpha1.quantity import Amount, Size


class DeletionPolicy(StrEnum):
    """The treatment of the data when the resource is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


class Storage(Model):
    """The volume of the database."""

    size: Size
    """The size of the volume, such as 1Gi; a number counts bytes. At least 64Mi, and 256Mi where the storage class
    enforces sizes. A volume grows if the storage class allows expansion, and cannot shrink. The size bounds the WAL."""
    class_name: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """The storage class of the volume. Default: the default class of the cluster. A change moves the data."""


class Migrations(Model):
    """The migration of the schema by a command of the service's image, run before each rollout."""

    command: list[Annotated[str, Field(min_length=1, max_length=1024)]] = Field(min_length=1, max_length=64)
    """The command and arguments, without a shell, such as [payments, migrate]. The command runs as the role that owns
    the schema and must be safe to repeat. New pods start only after the command has succeeded."""


class Resources(Model):
    """The resource requests and limits of a container, as in Kubernetes."""

    requests: dict[QualifiedName, Amount] = Field(default_factory=dict, max_length=16)
    """The resources reserved for the container, such as {cpu: 0.1, memory: 128Mi}; quantities as in pods."""
    limits: dict[QualifiedName, Amount] = Field(default_factory=dict, max_length=16)
    """The most that the container may use, such as {memory: 512Mi}."""


Duration = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}(ms|s|min|h)$", max_length=9)]
"""A duration in PostgreSQL's format, such as 500ms, 30s or 5min."""


class Limits(Model):
    """The limits of the service's role on the server. A slow query or a connection leak leaves room for migrations and
    administration."""

    connections: int = Field(default=80, ge=1, le=1000)
    """The number of concurrent connections of all the service's pods (default: 80). In a rollout, new pods have as many
    besides. Migrations have ten more."""
    statement_timeout: Duration = "30s"
    """The longest duration of a statement of the service (default: 30s). Migrations are exempt."""
    idle_in_transaction_timeout: Duration = "60s"
    """The longest time that a transaction of the service may be idle (default: 60s). Then the session ends."""


class Database(Model):
    """A database server for this service alone. Services cannot share a server."""

    engine: Annotated[
        Literal["postgresql"],
        Field(json_schema_extra=rules(("self == oldSelf", "the engine of a database cannot be changed in place"))),
    ] = "postgresql"
    """The database engine (default: postgresql). Cannot be changed."""
    version: Annotated[
        str,
        Field(
            pattern=r"^1[4-8]$",
            max_length=2,
            json_schema_extra=rules(
                (
                    "self == oldSelf",
                    "='cannot change from ' + oldSelf + ' to ' + self + ' in place; "
                    "major versions have different file formats'",
                )
            ),
        ),
    ] = "15"
    """The major version of the engine, 14 to 18 (default: 15). Cannot be changed in place."""
    storage: Storage
    """The volume of the data."""
    migrations: Migrations | None = None
    """The migration of the schema before each rollout. Default: none."""
    limits: Annotated[Limits, Field(json_schema_extra={"default": {}})] = Field(default_factory=Limits)
    """The limits of the service's role on the server."""
    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN
    """Retain (default): the volume and the credentials are kept when this resource is deleted, and adopted by a later
    resource of the same name. Delete: both are deleted with this resource."""
    resources: Resources | None = None
    """The resources of the server. Default: requests of 25m CPU and 128Mi memory, and a memory limit of 512Mi."""
