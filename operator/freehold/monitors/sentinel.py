"""Connection attempts of the operator to ports that must be closed.

No declaration admits the operator's pod, hence no database and no gRPC port may accept its connections. Every
ROUND_SECONDS the sentinel tries the ports of some services, and the canaries: a pod on each node, with a port that a
network policy opens to the operator and one that the policy closes. The open port shows that the network works, the
closed port whether the node enforces policies. An attempt opens a connection, sends nothing and closes the connection.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from freehold.agents.canary import CLOSED_PORT, OPEN_PORT
from freehold.agents.connectivity_probe import connects
from freehold.core.model.findings import Findings
from freehold.core.model.resources import Key, Object
from freehold.core.objects import addresses, meta, names, pods
from freehold.kube.cache import Cache
from freehold.monitors.connections import Addresses, observed_by, ready_pods
from freehold.monitors.rotation import Rotation

logger = logging.getLogger(__name__)
ROUND_SECONDS = 10.0
SERVICES_PER_ROUND = 25
PORTS_PER_SERVICE = 50
CONCURRENT_ATTEMPTS = 50
CONFIRM_AFTER_SECONDS = 2.0
"""An open port is tried again after this time: a pod may be starting, or the address may belong to a new pod."""


class _Port(NamedTuple):
    name: str
    host: str
    port: int


class Sentinel:
    """A monitor that tries ports until cancelled. findings: the results; on_change: called with the services whose
    results have changed.

    operator: the name of the operator in messages. canaries: the host name of the canaries' Service; empty without
    canaries.
    """

    def __init__(self, cache: Cache, operator: str, canaries: str, on_change: Callable[[Iterable[Key]], None]) -> None:
        self.findings = Findings()
        self._cache = cache
        self._operator = operator
        self._canaries = canaries
        self._on_change = on_change
        self._tried, self._asked = Rotation(), Rotation()
        self._addresses = Addresses()

    async def run(self) -> None:
        while True:
            for part in (self._try_canaries, self._try_services, self._read_observers):
                try:
                    await part()
                except Exception:
                    logger.exception("%s failed; the next round follows", part.__name__)
            await asyncio.sleep(ROUND_SECONDS)

    async def _try_canaries(self) -> None:
        hosts = await _resolve(self._canaries) if self._canaries else []
        canaries = [_Port(f"canary {names.address(host, CLOSED_PORT)}", host, OPEN_PORT) for host in hosts]
        reached = await _open_ports(canaries)
        closed = [port._replace(port=CLOSED_PORT) for port in reached]
        unenforced = tuple(
            f"{self._operator} → {port.name} is open despite a network policy" for port in await _confirmed_open(closed)
        )
        before = self.findings
        self.findings = replace(before, unenforced=unenforced, canaries=len(closed))
        if (unenforced, len(closed)) != (before.unenforced, before.canaries):
            self._on_change(self._cache.local_services if unenforced != before.unenforced else ())

    async def _try_services(self) -> None:
        keys = self._tried.next(filter(self._is_enforced, self._cache.local_services), SERVICES_PER_ROUND)
        ports = {}
        for key in keys:
            ports[key] = self._closed_ports(key)
            await asyncio.sleep(0)
        opened = set(await _confirmed_open([port for each in ports.values() for port in each]))
        found = {
            key: tuple({self._breach(port): port for port in each if port in opened}) for key, each in ports.items()
        }
        known = {key: messages for key, messages in self.findings.breaches.items() if self._is_enforced(key)}
        changed = [key for key in keys if known.get(key, ()) != found[key]]
        breaches = {key: messages for key, messages in {**known, **found}.items() if messages}
        self.findings = replace(self.findings, breaches=breaches)
        for key in changed:
            logger.warning("%s: %s", key, "; ".join(found[key]) or "the ports are closed again")
        self._on_change(changed)

    def _breach(self, port: _Port) -> str:
        return f"{self._operator} → {port.name} is open, although no declaration admits the operator"

    def _is_enforced(self, key: Key) -> bool:
        """Return whether a service exists and has network policies."""
        return key in self._cache.services and key not in self._cache.audited

    async def _read_observers(self) -> None:
        """Read the connections of some services in audit mode."""
        asked = self._asked.next(self._cache.audited, SERVICES_PER_ROUND)
        if asked:
            await self._addresses.update(self._cache)
        slots = asyncio.Semaphore(CONCURRENT_ATTEMPTS)
        answers = (observed_by(self._cache, key, self._addresses, slots) for key in asked)
        results = dict(zip(asked, await asyncio.gather(*answers, return_exceptions=True), strict=True))
        for key, result in results.items():
            if isinstance(result, BaseException):
                logger.warning("%s: the connections cannot be read: %.200r", key, result)
        found = {key: result for key, result in results.items() if not isinstance(result, BaseException)}
        before = self.findings.connections
        current = {key: found.get(key, before.get(key, ())) for key in self._cache.audited}
        connections = {key: listed for key, listed in current.items() if listed}
        self.findings = replace(self.findings, connections=connections)
        self._on_change([key for key in found if before.get(key) != connections.get(key)])

    def _closed_ports(self, key: Key) -> list[_Port]:
        """Return the ports of a service's ready pods that must be closed to the operator: database and gRPC."""
        ports = {meta.DATABASE: "postgresql", meta.SERVICE: "grpc"}
        services = {meta.DATABASE: names.database(key.name), meta.SERVICE: key.name}
        closed = (
            _Port(f"{names.host(services[component], key.namespace)}:{port}", address, port)
            for pod in ready_pods(self._cache, key)
            if (component := pods.component_of(pod)) in ports
            for port in _container_ports(pod, ports[component])
            for address in addresses.of_pod(pod)
        )
        return list(islice(closed, PORTS_PER_SERVICE))


def _container_ports(pod: Object, name: str) -> Iterable[int]:
    ports = (port for container in pod["spec"]["containers"] for port in container.get("ports", []))
    return (port["containerPort"] for port in ports if port.get("name") == name)


async def _confirmed_open(ports: list[_Port]) -> list[_Port]:
    """Return the ports that are open at two attempts."""
    first = await _open_ports(ports)
    if not first:
        return []
    await asyncio.sleep(CONFIRM_AFTER_SECONDS)
    return await _open_ports(first)


async def _open_ports(ports: list[_Port]) -> list[_Port]:
    """Return the ports that accept a connection."""
    slots = asyncio.Semaphore(CONCURRENT_ATTEMPTS)

    async def is_open(port: _Port) -> bool:
        async with slots:
            return await connects(port.host, port.port)

    answers = await asyncio.gather(*map(is_open, ports))
    return [port for port, answer in zip(ports, answers, strict=True) if answer]


async def _resolve(host: str) -> list[str]:
    """Return the addresses of a host name; empty if the name does not resolve."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return sorted({str(address[0]) for *_, address in found})
