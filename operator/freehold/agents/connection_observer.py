"""The observer: who connects to a pod, and where it connects to, while no wall stands around it.

`python3 -m freehold.agents.connection_observer` runs beside a service whose isolation is Audit, in the same network namespace. Every
second it looks at the kernel's table of TCP connections (proc(5), /proc/net/tcp), and tells whoever connects to its
port what it saw within the last hour, as one line of JSON: [["in", "10.0.0.7", 5432], ["out", "10.0.0.9", 443], …].
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Container, Iterable, Iterator, Sequence
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import NamedTuple

PORT = 9403
TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
ROUTES = Path("/proc/net/route")
EVERY_SECONDS = 1.0
REMEMBERED_SECONDS = 3600.0
AT_MOST = 500
"""Connections that are remembered, the latest; a table without bounds would grow with every scan of ports."""
EVERYWHERE = "00000000"
LISTENS, ESTABLISHED, TIME_WAIT = "0A", "01", "06"


class Connection(NamedTuple):
    """direction: `in` or `out`. peer: the other side's address. port: its own where it was called, else the peer's."""

    direction: str
    peer: str
    port: int


class Entry(NamedTuple):
    """A line of the kernel's table."""

    local_port: int
    peer: str
    peer_port: int
    state: str


def main() -> None:
    asyncio.run(_serve())


async def _serve() -> None:
    seen: dict[Connection, float] = {}
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(json.dumps(sorted(seen)).encode() + b"\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, port=PORT):
        while not stopping.is_set():
            found = connections([line for table in TABLES for line in _lines(table)], gateways(_lines(ROUTES)))
            remember(seen, found, time.monotonic())
            try:
                await asyncio.wait_for(stopping.wait(), EVERY_SECONDS)
            except TimeoutError:
                continue


def remember(seen: dict[Connection, float], found: Iterable[Connection], now: float) -> None:
    """Take in what is there now, and forget what is old or too much."""
    seen.update(dict.fromkeys(found, now))
    latest = sorted(seen, key=lambda connection: seen[connection], reverse=True)[:AT_MOST]
    kept = {connection for connection in latest if seen[connection] > now - REMEMBERED_SECONDS}
    for connection in set(seen) - kept:
        del seen[connection]


def gateways(lines: Sequence[str]) -> set[str]:
    """The addresses behind which the rest of the world is. With many network plugins the node asks from there whether
    its own pods are well, which no policy can forbid."""
    routes = (line.split()[1:3] for line in lines[1:])
    return {_address(gateway) for destination, gateway in routes if destination == EVERYWHERE != gateway}


def connections(lines: Iterable[str], ignored: Container[str] = ()) -> set[Connection]:
    """The connections of a table's lines, but those within the pod and the ones made to ask for this very answer."""
    entries = [entry for line in lines if (entry := _parsed(line))]
    listening = {entry.local_port for entry in entries if entry.state == LISTENS}
    live = (e for e in entries if e.state in (ESTABLISHED, TIME_WAIT) and not ip_address(e.peer).is_loopback)
    return set(_directed((e for e in live if e.peer not in ignored), listening))


def _directed(entries: Iterable[Entry], listening: set[int]) -> Iterator[Connection]:
    for entry in entries:
        if entry.local_port == PORT:
            continue
        if entry.local_port in listening:
            yield Connection("in", entry.peer, entry.local_port)
        else:
            yield Connection("out", entry.peer, entry.peer_port)


def _parsed(line: str) -> Entry | None:
    """A line of the table; None for its head."""
    fields = line.split()
    if len(fields) < 4 or ":" not in fields[2]:
        return None
    (_, local_port), (peer, peer_port) = (fields[n].split(":") for n in (1, 2))
    return Entry(int(local_port, 16), _address(peer), int(peer_port, 16), fields[3])


def _address(text: str) -> str:
    """The kernel writes an address as 32-bit words in the order of bytes of the machine."""
    words = [bytes.fromhex(text[n : n + 8])[::-1] for n in range(0, len(text), 8)]
    address = ip_address(b"".join(words))
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def _lines(table: Path) -> list[str]:
    return table.read_text().splitlines() if table.exists() else []


if __name__ == "__main__":
    main()
