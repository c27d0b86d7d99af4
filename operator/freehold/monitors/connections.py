"""Connections of services in audit mode, as reported by the observers in the pods."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from pydantic import TypeAdapter

from freehold.agents.connection_observer import PORT, RETENTION_SECONDS
from freehold.core.model.resources import Key, Object, ObservedConnection, Ref
from freehold.core.objects import meta, names, pods
from freehold.kube.cache import Cache

TIMEOUT_SECONDS = 2.0
MAX_ANSWER_BYTES = 65536
CLOCK_SKEW_SECONDS = 5.0
"""The tolerated difference between the clocks of two nodes."""


class Reported(NamedTuple):
    """A connection that an observer reports. age: seconds since it was last seen."""

    direction: str
    peer: str
    port: int
    age: float


class Holder(NamedTuple):
    """The service and component that an address belongs to. until: in Unix seconds; infinite for the present holder."""

    component: tuple[Key, str]
    until: float


ANSWER = TypeAdapter(list[Reported])


class Addresses:
    """The holders of addresses, past ones included for as long as observers keep connections."""

    def __init__(self) -> None:
        self._holders: dict[str, Holder] = {}

    def update(self, cache: Cache) -> None:
        """Read the addresses of all services' pods, and of the databases' Services, to which clients connect."""
        now = time.time()
        past = {address: holder._replace(until=min(holder.until, now)) for address, holder in self._holders.items()}
        remembered = {address: holder for address, holder in past.items() if holder.until >= now - RETENTION_SECONDS}
        # Of several pods that had an address, the last one counts.
        self._holders = remembered | dict(sorted(_holders(cache), key=lambda one: one[1].until))

    def holder(self, address: str, moment: float) -> tuple[Key, str] | None:
        """Return the service and component that held an address at a time in Unix seconds, if known."""
        holder = self._holders.get(address)
        return holder.component if holder and moment <= holder.until + CLOCK_SKEW_SECONDS else None


def ready_pods(cache: Cache, key: Key) -> Iterator[Object]:
    """Yield the ready pods of a service, except probes. Ready pods have an address."""
    return (pod for pod in _pods(cache, key) if pods.is_ready(pod))


async def observed_by(cache: Cache, key: Key, addresses: Addresses) -> tuple[ObservedConnection, ...]:
    """Return the connections of all pods of a service, except health checks by the node."""
    connections = set()
    for pod in list(ready_pods(cache, key)):  # the cache changes between the queries
        status, component = pod["status"], pods.component_of(pod)
        for direction, peer, port, age in await _query(status["podIP"]):
            if peer != status.get("hostIP"):
                known = addresses.holder(peer, time.time() - age)
                connections.add(ObservedConnection(component, direction, port, peer, known))
    return tuple(sorted(connections, key=str))


def _pods(cache: Cache, key: Key) -> Iterator[Object]:
    """Yield the pods of a service, except probes."""
    for ref, stored in cache.owned.get(key, {}).items():
        pod = stored.unpack() if ref.kind == "Pod" else None
        if pod and meta.PROBE not in pod["metadata"]["labels"]:
            yield pod


def _holders(cache: Cache) -> Iterator[tuple[str, Holder]]:
    for key, objects in cache.owned.items():
        for pod in _pods(cache, key):
            address = pod.get("status", {}).get("podIP")
            if address:
                yield address, Holder((key, pods.component_of(pod)), _until(pod))
        service = objects.get(Ref("Service", names.database(key.name)))
        if service:
            yield service.unpack()["spec"].get("clusterIP", ""), Holder((key, meta.DATABASE), math.inf)


def _until(pod: Object) -> float:
    """Return the time at which a pod released its address; infinite for a pod that has not ended."""
    if pods.has_address(pod):
        return math.inf
    states = [status.get("state", {}) for status in pod["status"].get("containerStatuses", [])]
    ends = [state["terminated"]["finishedAt"] for state in states if "terminated" in state]
    return max((datetime.fromisoformat(end).timestamp() for end in ends), default=0.0)


async def _query(host: str) -> list[Reported]:
    """Return the connections that an observer reports; empty if unreachable, or for any other answer."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_connection(host, PORT)
            answer = await reader.read(MAX_ANSWER_BYTES)
            writer.close()
        return ANSWER.validate_json(answer)
    except (OSError, ValueError):
        return []
