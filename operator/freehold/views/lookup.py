"""Lookup of the names that people type: services, databases, ports, Gateways and unmanaged pods."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from freehold.core.isolation import reachability
from freehold.core.model.resources import Key
from freehold.core.objects import names
from freehold.core.peers import gateways
from freehold.core.peers.ports import Part, ServicePort, ports_of
from freehold.views.errors import Failure
from freehold.views.snapshot import Snapshot

UNMANAGED, GATEWAY = "unmanaged", "gateway "
HOST = re.compile(r"^([^.:/]+)\.([^.:/]+)\.svc(\.cluster\.local)?\.?(?=:|$)")


def namespace_of(name: str, home: str) -> str:
    """The namespace of `name`, `namespace/name` or a DNS name. home: the namespace of a bare name."""
    namespace, slash, _ = _without_dns(name).rpartition("/")
    return namespace if slash else home


def find_service(name: str, home: str, known: Iterable[Key]) -> Key:
    """The service with the name `name` or `namespace/name`. Raises Failure, with similar names."""
    namespace, _, own = name.rpartition("/")
    key, listed = Key(namespace or home, own), list(known)
    if key in listed:
        return key
    raise Failure(f"service {own} does not exist in namespace {key.namespace}{suggest(key, listed)}")


def suggest(key: Key, known: Iterable[Key]) -> str:
    """The names similar to an unknown name, as the end of a sentence; empty without similar names."""
    by_name = {other.name if other.namespace == key.namespace else str(other): other for other in known}
    close = get_close_matches(key.name, by_name, n=3)
    found = close or [name for name, other in by_name.items() if other.name == key.name]
    return f"; did you mean {' or '.join(found)}?" if found else ""


def is_unmanaged(name: str) -> bool:
    """Whether a source is `unmanaged`, or `(unmanaged)` as in the matrix."""
    return name.strip("()") == UNMANAGED


def is_gateway(name: str) -> bool:
    """Whether a source is `gateway NAMESPACE/NAME`, or the same in parentheses as in the matrix."""
    return name.strip("()").startswith(GATEWAY)


def find_source(name: str, home: str, snapshot: Snapshot) -> reachability.Source:
    """The service or the Gateway proxies with a name; None for an unmanaged pod. Raises Failure."""
    if is_unmanaged(name):
        return None
    if is_gateway(name):
        namespace, _, own = name.strip("()").removeprefix(GATEWAY).rpartition("/")
        gateway = Key(namespace or home, own)
        known = (found for found in reachability.proxies(snapshot.services.values()) if found.gateway == gateway)
        return next(known, gateways.usual(gateway))
    return snapshot.services[find_service(name, home, snapshot.services)]


def find_port(name: str, home: str, snapshot: Snapshot) -> ServicePort:
    """The port for `users`, `users:8080`, `users-database`, `users-db`, each after `namespace/`, or a DNS name.

    The bare name of a service means its endpoint, or its page without an endpoint. Raises Failure.
    """
    path, _, number = _without_dns(name).partition(":")
    namespace, _, own = path.rpartition("/")
    home = namespace or home
    owner = _database_owner(own, home, snapshot)
    key = owner or find_service(own, home, snapshot.services)
    ports = ports_of(snapshot.services[key])
    for port in ports:
        if (port.part is Part.DATABASE or not owner) and number in ("", str(port.port)):
            return port
    available = ", ".join(port.name for port in ports)
    raise Failure(f"{key} has no {'database' if owner else f'port {number}'}; it has {available}")


def _without_dns(name: str) -> str:
    """A DNS name as `namespace/name`; any other name unchanged."""
    return HOST.sub(r"\2/\1", name)


def _database_owner(name: str, home: str, snapshot: Snapshot) -> Key | None:
    """The service that owns a database of this name; None if a service has the name. Raises Failure."""
    if Key(home, name) in snapshot.services:
        return None
    for suffix in (names.database(""), "-db"):
        if name.endswith(suffix):
            owner = Key(home, name.removesuffix(suffix))
            if owner in snapshot.services:
                return owner
            similar = suggest(owner, snapshot.services)
            raise Failure(f"database {name} does not exist in namespace {home}{similar}")
    return None
