"""The canary: a pod with an open port and a port closed by network policy.

`python3 -m freehold.agents.canary` listens on both ports until SIGTERM and closes each connection at once. A connection
to the closed port shows that the cluster's network plugin does not enforce network policies on the node.
"""

from __future__ import annotations

import asyncio
import signal

OPEN_PORT = 9401
CLOSED_PORT = 9402


def main() -> None:
    asyncio.run(_listen())


async def _listen() -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    servers = [await asyncio.start_server(_close, port=port) for port in (OPEN_PORT, CLOSED_PORT)]
    await stopping.wait()
    for server in servers:
        server.close()


async def _close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


if __name__ == "__main__":
    main()
