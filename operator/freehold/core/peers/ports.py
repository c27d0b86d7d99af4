"""Doors: what of a service listens, and where."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from freehold.core import engines
from freehold.core.model.resources import Key, Service
from freehold.core.objects import names


class Part(StrEnum):
    """What of a service listens."""

    ENDPOINT = "endpoint"
    PAGE = "page"
    DATABASE = "database"


class ServicePort(NamedTuple):
    """A port of a service, or of its database."""

    service: Key
    part: Part
    port: int

    @property
    def target(self) -> str:
        """The Service object in front of it; the network policy behind it has the same name."""
        return names.database(self.service.name) if self.part is Part.DATABASE else self.service.name

    @property
    def name(self) -> str:
        """As it is called within its namespace: `users-database:5432`."""
        return f"{self.target}:{self.port}"

    @property
    def full_name(self) -> str:
        """As it is called from anywhere: `shop/users-database:5432`."""
        return f"{self.service.namespace}/{self.name}"

    @property
    def host(self) -> str:
        """The DNS name a client connects to: `users-database.shop.svc`."""
        return names.host(self.target, self.service.namespace)

    @property
    def address(self) -> str:
        """Host and port: `users-database.shop.svc:5432`."""
        return f"{self.host}:{self.port}"


def ports_of(service: Service) -> tuple[ServicePort, ...]:
    """All of a service that listens."""
    spec = service.spec
    endpoint = (ServicePort(service.key, Part.ENDPOINT, spec.grpc.port),) if spec.grpc else ()
    page = (ServicePort(service.key, Part.PAGE, spec.http.port),) if spec.http else ()
    database = (ServicePort(service.key, Part.DATABASE, engines.of(spec.database).port),) if spec.database else ()
    return (*endpoint, *page, *database)
