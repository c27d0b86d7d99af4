"""What Freehold needs of a database engine. Everything outside a package of `core/engines` meets an engine here.

A second engine is one more package beside `postgresql/`, one line in `engines/__init__.py`, and one value of
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
    """The source of a standby: a base backup of the primary, then streaming replication from it.

    host: DNS name of the primary. epoch: since which epoch that instance is primary.
    """

    host: str
    epoch: int

    def __str__(self) -> str:
        return f"{self.host}@{self.epoch}"


Source = New | Replica
"""Where the data of an instance comes from; `core/database/source.py` chooses."""


@dataclass(frozen=True)
class Roles:
    """The names of a server's roles, which are the keys of their passwords in the server's Secret.

    service: reads and writes rows. owner: owns the schema, for migrations. replication: copies, fences and promotes,
    and reads no table. superuser: used within the server's pod alone.
    """

    service: str
    owner: str
    replication: str
    superuser: str

    def __iter__(self) -> Iterator[str]:
        return iter((self.service, self.owner, self.replication, self.superuser))


class Engine(Protocol):
    """A database engine. Every method is pure.

    name: of containers, ports and binding types, as `spec.database.engine` has it. title: for people. port: TCP port.
    user: the numeric user of its official image, to whose group the volume belongs. database: the one database of a
    server. unreachable: a DATABASE_URL that parses and leads nowhere, for the contract reader.
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

    def files(self) -> Mapping[str, str]:
        """The start script and access rules, by file name; mounted where `container` expects them."""

    def container(self, database: Database, platform: Platform, source: Source) -> Object:
        """The server's container. Its mounts are `data`, `configuration`, `credentials`, `certificate`, and those of
        `scratch`."""

    def scratch(self) -> list[Object]:
        """Volumes of the pod that are lost with it."""

    def uri(self, role: str, password: str, host: str, authorities: str) -> str:
        """A connection URI that insists on TLS and on the server's name.

        authorities: the file with the certificate authorities to trust.
        """

    def switchover(self, primary: str, candidate: str) -> list[str]:
        """The command that makes the server at host `candidate` primary in place of the one at host `primary`."""

    def proxy(self, hosts: list[str]) -> list[str]:
        """The command that forwards clients to the one of two hosts that is primary, and holds clients meanwhile."""
