"""The sentinel: a stranger that tries, all the while, doors that must not open to it.

The operator is declared nowhere as anybody's consumer, so that no database and no endpoint may let it in. Every few
seconds it tries some of them, in turn, and the canaries: pods of its own, one on each node, with a door that a policy
shuts and one that it leaves open. That the open one opens shows that the network works; that the shut one does not,
that policies are enforced on that node. An attempt opens a connection, sends nothing, and closes it.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NamedTuple

from freehold.agents.canary import CLOSED_PORT, OPEN_PORT
from freehold.agents.connectivity_probe import connects
from freehold.core.model.findings import Findings
from freehold.core.model.resources import Key, Object
from freehold.core.objects import meta, names
from freehold.kube.cache import Cache
from freehold.monitors.connections import known_addresses, observed_by, ready_pods

logger = logging.getLogger(__name__)
ROUND_SECONDS = 10.0
SERVICES_A_ROUND = 25
AT_ONCE = 50
CONFIRMED_AFTER_SECONDS = 2.0
"""A door that opens is tried again: a pod may just be starting, or its address may have become another's."""


class _Port(NamedTuple):
    name: str
    host: str
    port: int


class Sentinel:
    """Tries doors until cancelled. seen: what it found; turned: called with the services it concerns when that turns.

    who: the operator, for people. canaries: the host name of the canaries' Service; empty where there are none.
    """

    def __init__(self, cache: Cache, who: str, canaries: str, turned: Callable[[Iterable[Key]], None]) -> None:
        self.seen = Findings()
        self._cache = cache
        self._who = who
        self._canaries = canaries
        self._turned = turned
        self._last: Key | None = None

    async def run(self) -> None:
        while True:
            try:
                await self._canary_round()
                await self._service_round()
                await self._shadow_round()
            except Exception:
                logger.exception("a round of the sentinel failed; the next one follows")
            await asyncio.sleep(ROUND_SECONDS)

    async def _canary_round(self) -> None:
        hosts = await _resolved(self._canaries) if self._canaries else []
        reached = await _attempt([_Port(f"canary {host}", host, OPEN_PORT) for host in hosts])
        shut = [door._replace(port=CLOSED_PORT) for door in reached]
        unenforced = tuple(
            f"{self._who} → {door.name}:{door.port} is open, and a policy shuts it" for door in await _open(shut)
        )
        before, self.seen = self.seen, replace(self.seen, unenforced=unenforced, canaries=len(shut))
        if (unenforced, len(shut)) != (before.unenforced, before.canaries):
            self._turned(self._cache.here if unenforced != before.unenforced else ())

    async def _service_round(self) -> None:
        keys = [key for key in self._next() if self._stands(key)]
        doors = {key: list(self._doors(key)) for key in keys}
        opened = set(await _open([door for listed in doors.values() for door in listed]))
        found = {key: tuple(self._breach(d) for d in listed if d in opened) for key, listed in doors.items()}
        known = {key: said for key, said in self.seen.breaches.items() if self._stands(key)}
        changed = [key for key in keys if known.get(key, ()) != found[key]]
        breaches = {key: said for key, said in {**known, **found}.items() if said}
        self.seen = replace(self.seen, breaches=breaches)
        for key in changed:
            logger.warning("%s: %s", key, "; ".join(found[key]) or "its doors are shut again")
        self._turned(changed)

    def _breach(self, door: _Port) -> str:
        return f"{self._who} → {door.name} is open to a stranger"

    def _stands(self, key: Key) -> bool:
        """Whether there is such a service, and walls around it."""
        return key in self._cache.services and key not in self._cache.shadows

    async def _shadow_round(self) -> None:
        shadows = sorted(self._cache.shadows)
        known = known_addresses(self._cache) if shadows else {}
        asked = {key: await observed_by(self._cache, key, known) for key in shadows}
        connections = {key: found for key, found in asked.items() if found}
        before, self.seen = self.seen.connections, replace(self.seen, connections=connections)
        self._turned([key for key in asked if before.get(key) != connections.get(key)])

    def _next(self) -> list[Key]:
        """So many services, after those of the last round, and from the beginning after the last."""
        keys = sorted(self._cache.here)
        begin = next((index for index, key in enumerate(keys) if self._last is None or key > self._last), 0)
        chosen = (keys[begin:] + keys[:begin])[:SERVICES_A_ROUND]
        self._last = chosen[-1] if chosen else None
        return chosen

    def _doors(self, key: Key) -> Iterable[_Port]:
        """The doors of a service's running pods that are shut to a stranger: all but its page."""
        ports = {meta.DATABASE: "postgresql", meta.SERVICE: "grpc"}
        fronts = {meta.DATABASE: names.database(key.name), meta.SERVICE: key.name}
        for pod in ready_pods(self._cache, key):
            component, host = pod["metadata"]["labels"].get(meta.COMPONENT, ""), pod["status"]["podIP"]
            for port in _ports(pod, ports[component]) if component in ports else ():
                yield _Port(f"{names.host(fronts[component], key.namespace)}:{port}", host, port)


def _ports(pod: Object, name: str) -> Iterable[int]:
    listed = (port for container in pod["spec"]["containers"] for port in container.get("ports", []))
    return (port["containerPort"] for port in listed if port.get("name") == name)


async def _open(doors: list[_Port]) -> list[_Port]:
    """Those that open, twice."""
    first = await _attempt(doors)
    if not first:
        return []
    await asyncio.sleep(CONFIRMED_AFTER_SECONDS)
    return await _attempt(first)


async def _attempt(doors: list[_Port]) -> list[_Port]:
    """Those that open."""
    few = asyncio.Semaphore(AT_ONCE)

    async def tried(door: _Port) -> bool:
        async with few:
            return await connects(door.host, door.port)

    answers = await asyncio.gather(*map(tried, doors))
    return [door for door, answer in zip(doors, answers, strict=True) if answer]


async def _resolved(host: str) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return sorted({str(address[0]) for *_, address in found})
