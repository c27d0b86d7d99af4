"""Aliases: names of services that moved or are to move, and their replacements."""

from __future__ import annotations

from collections.abc import Mapping

from freehold.api.v1alpha1.grpc import Grpc
from freehold.core.model import remote
from freehold.core.model.resources import Key, Service

Aliases = Mapping[Key, Key]
"""Services that moved or are to move, each with the replacement."""


def predecessors(aliases: Aliases, key: Key) -> tuple[Key, ...]:
    """Return the services that `key` replaces, directly or indirectly, the latest first.

    In a ring of aliases the chain ends before `key`.
    """
    replaced: list[Key] = []
    current: Key | None = key
    while current := next(
        (old for old, new in aliases.items() if new == current and old not in (key, *replaced)), None
    ):
        replaced.append(current)
    return tuple(replaced)


def all_names(aliases: Aliases, key: Key) -> tuple[Key, ...]:
    """Return the present name of a service, followed by the former names."""
    return key, *predecessors(aliases, key)


def resolve(aliases: Aliases, key: Key) -> Key:
    """Return the service at the end of the chain of aliases that starts at `key`."""
    seen = {key}
    while (target := aliases.get(key)) and target not in seen:
        seen.add(key := target)
    return key


def replaced_services(service: Service, services: Mapping[Key, Service]) -> tuple[Service, ...]:
    """Return the services among `services` that `service` replaces, the latest first; both sides declare the move."""
    replaced: list[Service] = []
    current: Service | None = service
    while current and (source := remote.origin(current.spec.placement, current.namespace)):
        current = services.get(Key(source, service.name))
        successor = replaced[-1] if replaced else service
        if current is None or current in (service, *replaced) or destination(current) != successor.key:
            break
        replaced.append(current)
    return tuple(replaced)


def destination(service: Service) -> Key | None:
    """Return the service of the same name in the namespace to move to; None without a move."""
    namespace = remote.destination(service.spec.placement, service.namespace)
    return Key(namespace, service.name) if namespace != service.namespace else None


def same_listener(left: Grpc | None, right: Grpc | None) -> bool:
    """Return whether the same clients can call both endpoints: equal port and TLS mode, or neither exists."""
    return left == right if left is None or right is None else (left.port, left.tls) == (right.port, right.tls)
