"""Addresses of pods, where names say nothing: between clusters."""

from __future__ import annotations

from collections.abc import Iterator

from freehold.core.model import remote
from freehold.core.model.resources import Key, Ref
from freehold.core.objects import meta, names, pods
from freehold.kube.cache import NOT_MOVING, Cache


def callers(cache: Cache, key: Key) -> dict[Key, tuple[str, ...]]:
    """Where the pods of a service's consumers stand, if they call it in another cluster."""
    if not remote.is_remote(cache.moves.get(key, NOT_MOVING).to):
        return {}
    return {consumer: tuple(_addresses(cache, consumer)) for consumer in cache.consumers(key)}


def _addresses(cache: Cache, key: Key) -> Iterator[str]:
    for ref, stored in sorted(cache.owned.get(key, {}).items()):
        pod = stored.unpack() if ref.kind == "Pod" else None
        if pod and pods.component_of(pod) == meta.SERVICE and pods.has_address(pod):
            yield str(pod["status"]["podIP"])


def remote_targets(cache: Cache, key: Key) -> dict[Key, tuple[str, ...]]:
    """The addresses in another cluster that the names of a service's providers lead to, or may soon."""
    found: dict[Key, tuple[str, ...]] = {}
    for provider in cache.consumes.get(key, ()):
        stored = cache.owned.get(provider, {}).get(Ref("EndpointSlice", names.remote_name(provider.name)))
        if stored:
            found[provider] = tuple(one for point in stored.unpack()["endpoints"] for one in point["addresses"])
    return found
