"""Connections of services in audit mode, as reported by the observers in the pods."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

from freehold.agents.connection_observer import PORT
from freehold.core.model.resources import Key, Object, ObservedConnection, Ref
from freehold.core.objects import meta, names, pods
from freehold.kube.cache import Cache

TIMEOUT_SECONDS = 2.0
MAX_ANSWER_BYTES = 65536
Names = dict[str, tuple[Key, str]]
"""The service and component of each known address."""


def ready_pods(cache: Cache, key: Key) -> Iterator[Object]:
    """Yield the ready pods of a service, except probes. Ready pods have an address."""
    for ref, stored in cache.owned.get(key, {}).items():
        pod = stored.unpack() if ref.kind == "Pod" else None
        if pod and pods.is_ready(pod) and meta.PROBE not in pod["metadata"]["labels"]:
            yield pod


async def observed_by(cache: Cache, key: Key, known: Names) -> tuple[ObservedConnection, ...]:
    """Return the connections of all pods of a service, except health checks by the node."""
    connections = set()
    for pod in list(ready_pods(cache, key)):  # the cache changes between the queries
        status, component = pod["status"], pod["metadata"]["labels"].get(meta.COMPONENT, "")
        for direction, peer, port in await _query(status["podIP"]):
            if peer != status.get("hostIP"):
                connections.add(ObservedConnection(component, direction, port, peer, known.get(peer)))
    return tuple(sorted(connections, key=str))


def known_addresses(cache: Cache) -> Names:
    """Return the addresses of all services' pods, and of the databases' Services, to which clients connect."""
    addresses: Names = {}
    for key, objects in cache.owned.items():
        for pod in ready_pods(cache, key):
            addresses[pod["status"]["podIP"]] = key, pod["metadata"]["labels"].get(meta.COMPONENT, "")
        service = objects.get(Ref("Service", names.database(key.name)))
        if service:
            addresses[service.unpack()["spec"].get("clusterIP", "")] = key, meta.DATABASE
    return addresses


async def _query(host: str) -> list[tuple[str, str, int]]:
    """Return the connections that an observer reports: direction, peer address, port. Empty if unreachable."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_connection(host, PORT)
            answer = await reader.read(MAX_ANSWER_BYTES)
            writer.close()
        return [(str(direction), str(peer), int(port)) for direction, peer, port in json.loads(answer)]
    except (OSError, ValueError):
        return []
