"""What the observers of a service whose isolation is Audit saw, with names where addresses are known."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

from freehold.agents.connection_observer import PORT
from freehold.core.model.resources import Key, Object, ObservedConnection, Ref
from freehold.core.objects import meta, names, pods
from freehold.kube.cache import Cache

PATIENCE_SECONDS = 2.0
LONGEST_ANSWER = 65536
Names = dict[str, tuple[Key, str]]
"""Who stands at an address: a service, and which of its components."""


def ready_pods(cache: Cache, key: Key) -> Iterator[Object]:
    """A service's pods that are ready, and so have an address; probes are none of them."""
    for ref, stored in cache.owned.get(key, {}).items():
        pod = stored.unpack() if ref.kind == "Pod" else None
        if pod and pods.is_ready(pod) and meta.PROBE not in pod["metadata"]["labels"]:
            yield pod


async def observed_by(cache: Cache, key: Key, known: Names) -> tuple[ObservedConnection, ...]:
    """Connections of all of a service's pods, but for those of the node, which sees whether its pods are well."""
    found = set()
    for pod in list(ready_pods(cache, key)):  # the cache changes while they are asked
        status, component = pod["status"], pod["metadata"]["labels"].get(meta.COMPONENT, "")
        for direction, peer, port in await _query(status["podIP"]):
            if peer != status.get("hostIP"):
                found.add(ObservedConnection(component, direction, port, peer, known.get(peer)))
    return tuple(sorted(found, key=str))


def known_addresses(cache: Cache) -> Names:
    """Pods of every service by their address, and the Services of databases, which clients connect to."""
    found: Names = {}
    for key, objects in cache.owned.items():
        for pod in ready_pods(cache, key):
            found[pod["status"]["podIP"]] = key, pod["metadata"]["labels"].get(meta.COMPONENT, "")
        front = objects.get(Ref("Service", names.database(key.name)))
        if front:
            found[front.unpack()["spec"].get("clusterIP", "")] = key, meta.DATABASE
    return found


async def _query(host: str) -> list[tuple[str, str, int]]:
    """What one observer tells; nothing, while it cannot be reached."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            reader, writer = await asyncio.open_connection(host, PORT)
            answer = await reader.read(LONGEST_ANSWER)
            writer.close()
        return [(str(direction), str(peer), int(port)) for direction, peer, port in json.loads(answer)]
    except (OSError, ValueError):
        return []
