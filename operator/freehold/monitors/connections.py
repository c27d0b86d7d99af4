"""Connections of services in audit mode, as reported by the observers in the pods."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, IPvAnyAddress, TypeAdapter

from freehold.agents.connection_observer import MAX_CONNECTIONS, PORT, RETENTION_SECONDS
from freehold.core.model.resources import Key, Object, ObservedConnection, Ref
from freehold.core.objects import addresses as pod_addresses
from freehold.core.objects import meta, names, pods
from freehold.kube.cache import Cache
from freehold.monitors.answers import ask

logger = logging.getLogger(__name__)
PODS_PER_SERVICE = 50
"""The most pods of a service that are asked, or whose ports are tried."""
MAX_ANSWER_BYTES = 65536
CLOCK_SKEW_SECONDS = 5.0
"""The tolerated difference between the clocks of two nodes."""


class Reported(NamedTuple):
    """A connection that an observer reports. age: seconds since it was last seen."""

    direction: Literal["in", "out"]
    peer: IPvAnyAddress
    port: Annotated[int, Field(ge=0, le=65535)]
    age: Annotated[float, Field(ge=0, le=RETENTION_SECONDS + 60, allow_inf_nan=False)]


class Holder(NamedTuple):
    """The service and component that an address belongs to. until: in Unix seconds; infinite for the present holder."""

    component: tuple[Key, str]
    until: float


ANSWER: TypeAdapter[list[Reported]] = TypeAdapter(Annotated[list[Reported], Field(max_length=MAX_CONNECTIONS)])


class Addresses:
    """The holders of addresses, past ones included for as long as observers keep connections."""

    def __init__(self) -> None:
        self._holders: dict[str, Holder] = {}

    async def update(self, cache: Cache) -> None:
        """Read the addresses of all services' pods, and of the databases' Services, to which clients connect."""
        now, current = time.time(), []
        for key in list(cache.owned):  # the cache changes in between
            current += _holders(cache, key)
            await asyncio.sleep(0)
        past = {address: holder._replace(until=min(holder.until, now)) for address, holder in self._holders.items()}
        remembered = {address: holder for address, holder in past.items() if holder.until >= now - RETENTION_SECONDS}
        # Of several pods that had an address, the last one counts.
        self._holders = remembered | dict(sorted(current, key=lambda one: one[1].until))

    def holder(self, address: str, moment: float) -> tuple[Key, str] | None:
        """Return the service and component that held an address at a time in Unix seconds, if known."""
        holder = self._holders.get(address)
        return holder.component if holder and moment <= holder.until + CLOCK_SKEW_SECONDS else None


def ready_pods(cache: Cache, key: Key) -> Iterator[Object]:
    """Yield the ready pods of a service that have an address, except probes; at most PODS_PER_SERVICE."""
    ready = (pod for pod in _pods(cache, key) if pods.is_ready(pod) and pod["status"].get("podIP"))
    return islice(ready, PODS_PER_SERVICE)


async def observed_by(
    cache: Cache, key: Key, addresses: Addresses, slots: asyncio.Semaphore
) -> tuple[ObservedConnection, ...]:
    """Return the connections of the pods of a service, except health checks by the node. slots: limits the queries."""
    answers = [_observed_at(pod, addresses, slots) for pod in ready_pods(cache, key)]
    return tuple(sorted({one for found in await asyncio.gather(*answers) for one in found}, key=str))


async def _observed_at(pod: Object, addresses: Addresses, slots: asyncio.Semaphore) -> Iterable[ObservedConnection]:
    status, component = pod["status"], pods.component_of(pod)
    async with slots:
        reported = await _query(status["podIP"])
    now, node = time.time(), {status.get("hostIP"), *(entry.get("ip") for entry in status.get("hostIPs", []))}
    listed = ((one, str(one.peer)) for one in reported)
    return [
        ObservedConnection(component, one.direction, one.port, peer, addresses.holder(peer, now - one.age))
        for one, peer in listed
        if peer not in node
    ]


def _pods(cache: Cache, key: Key) -> Iterator[Object]:
    """Yield the pods of a service, except probes."""
    for ref, stored in cache.owned.get(key, {}).items():
        pod = stored.unpack() if ref.kind == "Pod" else None
        if pod and meta.PROBE not in pod["metadata"]["labels"]:
            yield pod


def _holders(cache: Cache, key: Key) -> list[tuple[str, Holder]]:
    """Return the addresses of a service; none if an object of a remote cluster cannot be read."""
    try:
        return list(_read_holders(cache, key))
    except Exception as error:
        logger.warning("%s: the addresses cannot be read: %.200r", key, error)
        return []


def _read_holders(cache: Cache, key: Key) -> Iterator[tuple[str, Holder]]:
    for pod in _pods(cache, key):
        for address in pod_addresses.of_pod(pod):
            yield address, Holder((key, pods.component_of(pod)), _until(pod))
    service = cache.owned.get(key, {}).get(Ref("Service", names.database(key.name)))
    if service:
        spec = service.unpack()["spec"]
        for address in spec.get("clusterIPs") or [spec.get("clusterIP", "")]:
            yield address, Holder((key, meta.DATABASE), math.inf)


def _until(pod: Object) -> float:
    """Return the time at which a pod released its address; infinite for a pod that has not ended."""
    if pods.has_address(pod):
        return math.inf
    states = [status.get("state", {}) for status in pod["status"].get("containerStatuses", [])]
    ends = [state["terminated"]["finishedAt"] for state in states if "terminated" in state]
    return max((datetime.fromisoformat(end).timestamp() for end in ends), default=0.0)


async def _query(host: str) -> list[Reported]:
    """Return the connections that an observer reports; empty if unreachable, or for any other answer."""
    return await ask(host, PORT, ANSWER, MAX_ANSWER_BYTES) or []
