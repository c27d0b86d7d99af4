"""The liveness check over HTTP, on IPv4 and IPv6.

kopf's own check listens on one family: asyncio sets IPV6_V6ONLY for each address that it binds. The kubelet asks at the
pod's first address, which is of either family.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from urllib.parse import urlsplit

from aiohttp import web

ANY = "::"
"""The address that means each address of both families (RFC 4291, 2.5.2; RFC 3493, 5.3)."""


def any_address() -> str:
    """Return the address for a listener on all addresses; of IPv4 where the kernel has no IPv6."""
    return ANY if socket.has_dualstack_ipv6() else "0.0.0.0"


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address; `::` means both families. Raises OSError."""
    if host == ANY and socket.has_dualstack_ipv6():
        return socket.create_server((host, port), family=socket.AF_INET6, dualstack_ipv6=True)
    family = socket.AF_INET6 if ":" in host and host != ANY else socket.AF_INET
    return socket.create_server((any_address() if host == ANY else host, port), family=family)


async def serve(url: str, silent_kinds: Callable[[], list[str]]) -> web.AppRunner:
    """Answer at a URL: 200, or 500 while the watches of kinds are silent; the kubelet then restarts the operator.

    Returns the server, for its cleanup. Raises OSError for an address that cannot be bound.
    """

    async def answer(_: web.Request) -> web.Response:
        if silent := silent_kinds():
            text = f"the watches of {', '.join(silent)} have received no answer for too long"
            return web.Response(status=500, text=text)
        return web.Response(text="alive")

    parts = urlsplit(url)
    application = web.Application()
    application.router.add_get(parts.path or "/", answer)
    runner = web.AppRunner(application, handle_signals=False, shutdown_timeout=1.0, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listen(parts.hostname or "localhost", parts.port or 80)).start()
    return runner
