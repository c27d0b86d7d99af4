"""Where the cluster's DNS is, and whether the operator can resolve names.

The kubelet writes the same nameservers into resolv.conf of each pod. The Service at such an address names the pods that
network policies have to open; the operator's own attempts show whether policies and servers work.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from freehold.core.isolation import dns
from freehold.core.isolation.dns import Location
from freehold.core.model.dns import Dns
from freehold.core.model.resources import Object
from freehold.kube.client import Api
from freehold.kube.errors import ClusterError
from freehold.kube.kinds import BY_NAME

logger = logging.getLogger(__name__)
ROUND_SECONDS = 15.0
CONFIRMED_BY = 2
"""The consecutive rounds in which the operator resolves no name before that counts."""
SERVICE_NAME = "kubernetes.io/service-name"


@dataclass(frozen=True)
class DnsSettings:
    """The chart's values, as `locate` takes them, and the pod's resolv.conf.

    name: a name that the cluster's DNS knows; empty outside a cluster, where nothing is looked for.
    """

    given: Dns = field(default_factory=Dns)
    labels_given: bool = False
    nameservers: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True)
class DnsState:
    """What is known. closed: why policies close DNS to services; empty unless that is proven. warning: the same, or
    another trouble, for the platform team."""

    dns: Dns
    closed: str = ""
    warning: str = ""


class DnsMonitor:
    """A monitor that looks for DNS until cancelled. state: the last result; on_change: called with the state before."""

    def __init__(self, api: Api, settings: DnsSettings, on_change: Callable[[DnsState], None]) -> None:
        self.state = DnsState(settings.given)
        self._api, self._settings, self._on_change = api, settings, on_change
        self._failures = 0

    async def run(self) -> None:
        while True:
            await asyncio.sleep(ROUND_SECONDS)
            try:
                await self._try_names()
                await self.locate()
            except ClusterError as error:
                logger.warning("cannot look for DNS, the last result stays in use: %s", error.message)

    async def locate(self) -> None:
        """Look for the Service of DNS. Raises ClusterError."""
        if not self._settings.name:
            return
        location = await self._location()
        before, self.state = self.state, _state(location, self._settings, cut_off=self._failures >= CONFIRMED_BY)
        if before != self.state:
            self._on_change(before)

    async def _try_names(self) -> None:
        answered = not self._settings.name or await _resolves(self._settings.name)
        self._failures = 0 if answered else self._failures + 1

    async def _location(self) -> Location:
        given, nameservers = self._settings.given, self._settings.nameservers
        try:
            service = dns.service_of(await self._list("Service"), nameservers)
            label = f"{SERVICE_NAME}={service['metadata']['name']}" if service else ""
            slices = await self._list("EndpointSlice", label) if service else []
        except ClusterError as error:
            if error.status != 403:
                raise
            logger.debug("may not read Services of namespace %s; DNS is where the settings say", given.namespace)
            return Location(replace(given, addresses=(*given.addresses, *nameservers)))
        fixed, known = self._settings.labels_given, self.state.dns.ports
        return dns.locate(given, nameservers, service, slices, labels_given=fixed, known_ports=known)

    async def _list(self, kind: str, labels: str = "") -> list[Object]:
        pages = self._api.pages(BY_NAME[kind], self._settings.given.namespace, labels)
        return [live async for items, _ in pages for live in items]


def _state(location: Location, settings: DnsSettings, *, cut_off: bool) -> DnsState:
    closed = location.fault if location.certain or cut_off else ""
    own = ""
    if cut_off:
        servers = ", ".join(settings.nameservers) or "no nameserver"
        own = f"the operator cannot resolve names by {servers}; DNS is down, or closed to the operator's pods"
        own += "; check dns.namespace, dns.podLabels, dns.ports and dns.addresses of the chart"
    return DnsState(location.dns, closed, closed or own or location.fault)


async def _resolves(name: str) -> bool:
    """Return whether a nameserver answers; that a name does not exist is an answer."""
    try:
        await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        return error.errno != socket.EAI_AGAIN
    return True
