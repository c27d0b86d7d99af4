"""The connectivity probe: attempts connections from a service's position, and reports unexpected results.

    python3 -m freehold.agents.connectivity_probe --open=users.shop.svc:50051 --closed=users-database.shop.svc:5432 …

The probe opens a TCP connection to each address, sends nothing and holds no credentials. An address with an unexpected
result is tried again for ten seconds, since a network policy takes a moment to reach every node. The answer, one line
of JSON, is the pod's termination message (kubernetes.io, 'Customizing the termination message'). If no nameserver
answers, nothing was tried, and the probe fails.
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
RETRY_SECONDS = 10.0
PAUSE_SECONDS = 0.5
MAX_CONCURRENT = 50
MAX_DIFFERENCES = 25
"""Differences that fit into the answer (4096 bytes)."""


class NoNameserverError(Exception):
    """No nameserver answers."""


def main() -> None:
    declared = dict(_parsed(argument) for argument in sys.argv[1:])
    try:
        result = asyncio.run(_probe(declared))
    except NoNameserverError:
        sys.exit("no nameserver answers; DNS is down, or closed to the pods of the service")
    answer = json.dumps(result, separators=(",", ":"))
    print(answer)
    ANSWER.write_text(answer)


def _parsed(argument: str) -> tuple[str, bool]:
    option, _, address = argument.partition("=")
    return address, option == "--open"


async def _probe(declared: dict[str, bool]) -> dict[str, object]:
    """Try all addresses; return the number of addresses tried and the unexpected results.

    declared: addresses as `host:port`, and whether each is declared open. A host name without an address, as without
    ready pods, does not count as tried: no network policy is involved. Raises NoNameserverError.
    """
    semaphore = asyncio.Semaphore(MAX_CONCURRENT)
    results = await asyncio.gather(*(_result(address, is_open, semaphore) for address, is_open in declared.items()))
    tried = {address: is_open for address, is_open in zip(declared, results, strict=True) if is_open is not None}
    differences = [
        (address, "Open" if is_open else "Closed")
        for address, is_open in tried.items()
        if is_open is not declared[address]
    ]
    return {"tried": len(tried), "differences": differences[:MAX_DIFFERENCES]}


async def _result(address: str, declared: bool, semaphore: asyncio.Semaphore) -> bool | None:
    """Whether the address is open, retried until as declared or RETRY_SECONDS; None if the name has no address.

    Raises NoNameserverError.
    """
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + RETRY_SECONDS
    while True:
        try:
            async with semaphore:
                is_open = await _is_open(host.strip("[]"), int(port))
        except NoNameserverError:
            if time.monotonic() > deadline:
                raise
        else:
            if is_open in (declared, None) or time.monotonic() > deadline:
                return is_open
        await asyncio.sleep(PAUSE_SECONDS)


async def _is_open(host: str, port: int) -> bool | None:
    """Whether any address of the name accepts a connection; None if the name has no address. Raises
    NoNameserverError."""
    try:
        addresses = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        if error.errno == socket.EAI_AGAIN:
            raise NoNameserverError from error
        return None
    return any(await asyncio.gather(*(connects(str(address[0]), port) for *_, address in addresses)))


async def connects(host: str, port: int) -> bool:
    """Whether host and port accept a connection within ATTEMPT_SECONDS; nothing is sent."""
    try:
        async with asyncio.timeout(ATTEMPT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:  # includes TimeoutError
        return False
    writer.close()
    return True


if __name__ == "__main__":
    main()
