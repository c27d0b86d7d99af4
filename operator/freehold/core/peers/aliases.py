"""Aliases: names of services that moved, and where they lead."""

from __future__ import annotations

from collections.abc import Mapping

from freehold.api.v1alpha1.grpc import Grpc
from freehold.core.model import remote
from freehold.core.model.resources import Key, Service

Aliases = Mapping[Key, Key]
"""A service that moved, or is about to, and the one that takes over."""


def predecessors(forwards: Aliases, key: Key) -> tuple[Key, ...]:
    """The services that this one took over, the latest first; a ring of them ends where it began."""
    found: list[Key] = []
    now: Key | None = key
    while now := next((old for old, new in forwards.items() if new == now and old not in (key, *found)), None):
        found.append(now)
    return tuple(found)


def all_names(forwards: Aliases, key: Key) -> tuple[Key, ...]:
    """What a service is called, and was before."""
    return key, *predecessors(forwards, key)


def resolve(forwards: Aliases, key: Key) -> Key:
    """Where a service that is named so is found in the end."""
    seen = {key}
    while (further := forwards.get(key)) and further not in seen:
        seen.add(key := further)
    return key


def replaced_services(service: Service, services: Mapping[Key, Service]) -> tuple[Service, ...]:
    """The services that this one took over, of these, the latest first."""
    found: list[Service] = []
    now: Service | None = service
    while now and (whence := remote.origin(now.spec.placement, now.namespace)):
        now = services.get(Key(whence, service.name))
        if now is None or now in (service, *found) or destination(now) != (found[-1] if found else service).key:
            break
        found.append(now)
    return tuple(found)


def destination(service: Service) -> Key | None:
    """The service of its name, in another namespace, that is to take its calls over."""
    named = remote.destination(service.spec.placement, service.namespace)
    return Key(named, service.name) if named != service.namespace else None


def same_listener(one: Grpc | None, other: Grpc | None) -> bool:
    """Whether who can call the one can call the other."""
    return one == other if one is None or other is None else (one.port, one.tls) == (other.port, other.tls)
