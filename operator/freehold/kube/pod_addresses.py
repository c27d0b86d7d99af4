"""Pod addresses between clusters, where DNS names do not resolve."""

from __future__ import annotations

from collections.abc import Iterator

from freehold.core.model import remote
from freehold.core.model.resources import Key, Ref
from freehold.core.objects import meta, names, pods
from freehold.kube.cache import Cache


def callers(cache: Cache, key: Key) -> dict[Key, tuple[str, ...]]:
    """Return the pod addresses of each consumer of a service in another cluster; empty within one cluster."""
    if not remote.is_remote(cache.move_of(key).destination):
        return {}
    return {consumer: tuple(_addresses(cache, consumer)) for consumer in cache.consumers(key)}


def _addresses(cache: Cache, key: Key) -> Iterator[str]:
    for ref, stored in sorted(cache.owned.get(key, {}).items()):
        pod = stored.unpack() if ref.kind == "Pod" else None
        if pod and pods.component_of(pod) == meta.SERVICE and pods.has_address(pod):
            yield str(pod["status"]["podIP"])


def remote_targets(cache: Cache, key: Key) -> dict[Key, tuple[str, ...]]:
    """Return the remote endpoint addresses of each provider that moved, or moves, to another cluster."""
    targets: dict[Key, tuple[str, ...]] = {}
    for provider in cache.consumes.get(key, ()):
        stored = cache.owned.get(provider, {}).get(Ref("EndpointSlice", names.remote_name(provider.name)))
        if stored:
            endpoints = stored.unpack()["endpoints"]
            targets[provider] = tuple(address for endpoint in endpoints for address in endpoint["addresses"])
    return targets
