"""The interface of a database engine, for all code outside `core/engines`.

A second engine is another package beside `postgresql/`, a line in `engines/__init__.py`, and a value of
`spec.database.engine`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from freehold.api.v1alpha1.database import Database
from freehold.core.model.resources import Object, Platform


class New(NamedTuple):
    """The source of a database without data: the engine initializes an empty one."""


class Replica(NamedTuple):
    """The source of a standby: a base backup of the primary, then streaming replication.

    host: DNS name of the primary. epoch: the primary's epoch.
    """

    host: str
    epoch: int

    def __str__(self) -> str:
        return f"{self.host}@{self.epoch}"


Source = New | Replica
"""The source of an instance's data, chosen in `core/database/source.py`."""


@dataclass(frozen=True)
class Roles:
    """The names of a server's roles, which are also the keys of the passwords in the server's Secret.

    service: reads and writes rows. owner: owns the schema, for migrations. replication: replicates, fences, unfences
    and promotes, and reads no table. superuser: used only within the server's pod.
    """

    service: str
    owner: str
    replication: str
    superuser: str

    def __iter__(self) -> Iterator[str]:
        return iter((self.service, self.owner, self.replication, self.superuser))


class Engine(Protocol):
    """A database engine. Every method is pure.

    name: the value of `spec.database.engine`, also used for containers, ports and binding types. title: for people.
    port: TCP port. user: the numeric user of the official image, whose group owns the volume. database: name of the
    only database of a server. unreachable: a valid DATABASE_URL without a server, for the contract reader. exhausted: a
    pattern of the words by which the server refuses a connection beyond the limit.
    """

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def user(self) -> int: ...
    @property
    def database(self) -> str: ...
    @property
    def roles(self) -> Roles: ...
    @property
    def unreachable(self) -> str: ...
    @property
    def exhausted(self) -> str: ...

    def files(self) -> Mapping[str, str]:
        """Return the start script and access rules by file name, for the mount `configuration` of `container`."""

    def container(self, database: Database, platform: Platform, source: Source) -> Object:
        """Return the server's container, which mounts `data`, `configuration`, `credentials`, `certificate`, and the
        volumes of `scratch`."""

    def scratch(self) -> list[Object]:
        """Return the pod's ephemeral volumes."""

    def uri(self, role: str, password: str, host: str, authorities: str) -> str:
        """Return a connection URI that requires TLS and a certificate for the server's name.

        authorities: path of the file with the trusted certificate authorities.
        """

    def switchover(self, primary: str, candidate: str) -> list[str]:
        """Return the command that switches over from the server at host `primary` to its standby at `candidate`."""

    def is_lock_timeout(self, log: str) -> bool:
        """Return whether the end of a migration's log tells that it waited for a lock in vain."""

    def proxy(self, hosts: list[str]) -> list[str]:
        """Return the command of the database proxy, which passes connections to the writable server of two hosts."""
