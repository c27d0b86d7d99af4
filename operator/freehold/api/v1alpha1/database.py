"""The part of the resource that declares a service's database."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from freehold.api.schema import Model, rules

QUANTITY = r"^[1-9][0-9]*(\.[0-9]+)?(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$"


class DeletionPolicy(StrEnum):
    """What happens to the data when the resource is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


class Storage(Model):
    """The volume of a database server."""

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


Amount = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|[KMGTPE]i|[kMGTPE])?$", max_length=20)]
"""A quantity that may be nothing, like 500m or 128Mi."""


class Resources(Model):
    """What a container asks for and is held to, as Kubernetes writes it."""

    requests: dict[str, Amount] = Field(default_factory=dict)
    """What is set aside for it, like {cpu: 100m, memory: 128Mi}."""
    limits: dict[str, Amount] = Field(default_factory=dict)
    """What it may use at most, like {memory: 512Mi}."""


Duration = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}(ms|s|min|h)$", max_length=9)]
"""A time as PostgreSQL writes it, like 500ms, 30s or 5min."""


class Limits(Model):
    """What the service's own role may take of its server, so that one bad query or leak does not take all of it."""

    connections: int = Field(default=80, ge=1, le=1000)
    """How many connections the service may hold at once, all its pods together; migrations have ten of their own."""
    statement_timeout: Duration = "30s"
    """How long one statement of the service may run. Migrations are not held to it."""
    idle_in_transaction_timeout: Duration = "60s"
    """How long a transaction of the service may stay open with nothing done in it, holding its locks."""


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
    limits: Annotated[Limits, Field(json_schema_extra={"default": {}})] = Field(default_factory=Limits)
    """What the service's role may take of its server."""
    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN
    """Retain keeps the volume and its credentials when this resource is deleted; a resource of the same name takes
    them up again. Delete deletes them with it."""
    resources: Resources | None = None
    """What the server asks for and is held to; left out: 25m CPU and 128Mi requested, 512Mi at most."""
