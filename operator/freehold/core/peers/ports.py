"""The ports on which a service and its database listen."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from freehold.core import engines
from freehold.core.model.resources import Key, Service
from freehold.core.objects import names


class Part(StrEnum):
    """The part of a service behind a port."""

    ENDPOINT = "endpoint"
    HTTP = "http"
    DATABASE = "database"


class ServicePort(NamedTuple):
    """A port of a service or its database."""

    service: Key
    part: Part
    port: int

    @property
    def target(self) -> str:
        """The name of the Service, and of the network policy, of the port."""
        return names.database(self.service.name) if self.part is Part.DATABASE else self.service.name

    @property
    def name(self) -> str:
        """The short name within the namespace: `users-database:5432`."""
        return f"{self.target}:{self.port}"

    @property
    def full_name(self) -> str:
        """The name with the namespace: `shop/users-database:5432`."""
        return f"{self.service.namespace}/{self.name}"

    @property
    def host(self) -> str:
        """The DNS name for clients: `users-database.shop.svc`."""
        return names.host(self.target, self.service.namespace)

    @property
    def address(self) -> str:
        """Host and port: `users-database.shop.svc:5432`."""
        return f"{self.host}:{self.port}"


def ports_of(service: Service) -> tuple[ServicePort, ...]:
    """Return the ports of a service: gRPC endpoint, HTTP, database."""
    spec = service.spec
    endpoint = (ServicePort(service.key, Part.ENDPOINT, spec.grpc.port),) if spec.grpc else ()
    http = (ServicePort(service.key, Part.HTTP, spec.http.port),) if spec.http else ()
    database = (ServicePort(service.key, Part.DATABASE, engines.of(spec.database).port),) if spec.database else ()
    return (*endpoint, *http, *database)
