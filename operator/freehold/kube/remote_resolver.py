"""Resolution of a remote API server's host name, without addresses that a host name may not lead to."""

from __future__ import annotations

import socket
from collections.abc import Callable
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from freehold.kube import addresses
from freehold.kube.addresses import Address
from freehold.kube.cluster_registry import literal_address


class RefusedAddressError(OSError):
    """A host name leads to an address that is refused."""


class GuardedResolver(AbstractResolver):
    """A resolver that refuses loopback, link-local and multicast addresses, and those of this cluster.

    local_server: the URL of this cluster's API server. is_local: whether an address belongs to this cluster. An address
    that the registry names literally is not resolved, and is the word of the platform team.
    """

    def __init__(self, local_server: str, is_local: Callable[[Address], bool]) -> None:
        self._own = literal_address(urlsplit(local_server).hostname or "")
        self._is_local = is_local
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host. Raises RefusedAddressError if any is refused, OSError without an address."""
        results = await self._resolver.resolve(host, port, family)
        for result in results:
            if self._is_refused(addresses.parse(result["host"].partition("%")[0])):
                raise RefusedAddressError("the registered server leads to an address that is refused")
        return results

    async def close(self) -> None:
        await self._resolver.close()

    def _is_refused(self, address: Address) -> bool:
        return addresses.is_forbidden(address) or address.is_loopback or address == self._own or self._is_local(address)
