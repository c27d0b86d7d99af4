"""The probe: which of these doors open from where it stands.

    python3 -m freehold.agents.connectivity_probe --open=users.shop.svc:50051 --shut=users-database.shop.svc:5432 …

Each is an attempt to connect: nothing is sent, no credentials are held. A door that is not as declared is tried again
for ten seconds, for a policy takes a moment to reach every node. The answer, one line of JSON, is the pod's termination
message (kubernetes.io, 'Customizing the termination message').
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from pathlib import Path

ANSWER = Path("/dev/termination-log")
ATTEMPT_SECONDS = 1.0
PATIENCE_SECONDS = 10.0
PAUSE_SECONDS = 0.5
AT_ONCE = 50
NAMED = 25
"""Differences the answer has room for (4096 bytes)."""


def main() -> None:
    declared = dict(_parsed(argument) for argument in sys.argv[1:])
    answer = json.dumps(asyncio.run(_probe(declared)), separators=(",", ":"))
    print(answer)
    ANSWER.write_text(answer)


def _parsed(argument: str) -> tuple[str, bool]:
    way, _, address = argument.partition("=")
    return address, way == "--open"


async def _probe(declared: dict[str, bool]) -> dict[str, object]:
    """declared: addresses as `host:port`, and whether each is declared open. A name that nobody stands behind at the
    moment says nothing of the wall around it, and does not count as tried."""
    few = asyncio.Semaphore(AT_ONCE)
    found = await asyncio.gather(*(_settled(address, way, few) for address, way in declared.items()))
    ways = dict(zip(declared, found, strict=True))
    tried = {address: is_open for address, is_open in ways.items() if is_open is not None}
    wrong = [
        (where, "Open" if is_open else "Closed") for where, is_open in tried.items() if is_open is not declared[where]
    ]
    return {"tried": len(tried), "differences": wrong[:NAMED]}


async def _settled(address: str, declared: bool, few: asyncio.Semaphore) -> bool | None:
    """Whether it is open, once it is as declared or time is up; None where the name has no address."""
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        async with few:
            found = await _opens(host, int(port))
        if found in (declared, None) or time.monotonic() > deadline:
            return found
        await asyncio.sleep(PAUSE_SECONDS)


async def _opens(host: str, port: int) -> bool | None:
    """Whether any pod behind the name lets it in; None where the name has no address."""
    try:
        addresses = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return None
    return any(await asyncio.gather(*(connects(str(where[0]), port) for *_, where in addresses)))


async def connects(host: str, port: int) -> bool:
    """Whether a connection is accepted there, within a second; nothing is sent."""
    try:
        async with asyncio.timeout(ATTEMPT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:  # a TimeoutError is one
        return False
    writer.close()
    return True


if __name__ == "__main__":
    main()
