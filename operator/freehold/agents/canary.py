"""The canary: a pod with a door that a network policy leaves open and one that it shuts.

`python3 -m freehold.agents.canary` listens at both until it is told to end, and answers nothing. Who may connect is for the
cluster's network plugin to say; that the shut door opens shows that it does not enforce policies.
"""

from __future__ import annotations

import asyncio
import signal

OPEN_PORT = 9401
SHUT_PORT = 9402


def main() -> None:
    asyncio.run(_listen())


async def _listen() -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    servers = [await asyncio.start_server(_hang_up, port=port) for port in (OPEN_PORT, SHUT_PORT)]
    await stopping.wait()
    for server in servers:
        server.close()


async def _hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


if __name__ == "__main__":
    main()
