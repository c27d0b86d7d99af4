"""The connection observer: records the TCP connections of a pod in audit mode, where no network policy exists.

`python3 -m freehold.agents.connection_observer` runs as a sidecar, in the pod's network namespace. Every second the
observer reads the kernel's table of TCP connections (proc(5), /proc/net/tcp). Its port serves the connections of the
last hour as one line of JSON, each with the seconds since the connection was last seen:
[["in", "10.0.0.7", 5432, 0.4], ["out", "10.0.0.9", 443, 61.0], …].
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
ROUTES = (Path("/proc/net/route"), Path("/proc/net/ipv6_route"))
INTERVAL_SECONDS = 1.0
RETENTION_SECONDS = 3600.0
MAX_CONNECTIONS = 500
"""The most recent connections are kept; without a limit a port scan would fill the memory."""
DEFAULT_ROUTE, DEFAULT_ROUTE_IPV6 = "00000000", "0" * 32
LISTEN, ESTABLISHED, TIME_WAIT = "0A", "01", "06"


class Connection(NamedTuple):
    """A connection. direction: `in` or `out`. peer: the address of the remote host. port: the port that was connected
    to, of the pod for `in`, of the peer for `out`."""

    direction: str
    peer: str
    port: int


class Entry(NamedTuple):
    """An entry of /proc/net/tcp."""

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
        now = time.monotonic()
        listed = [(*connection, round(now - moment, 1)) for connection, moment in sorted(seen.items())]
        writer.write(json.dumps(listed).encode() + b"\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, port=PORT):
        while not stopping.is_set():
            current = connections(
                [line for table in TABLES for line in _lines(table)],
                gateways([line for table in ROUTES for line in _lines(table)]),
            )
            record(seen, current, time.monotonic())
            try:
                await asyncio.wait_for(stopping.wait(), INTERVAL_SECONDS)
            except TimeoutError:
                continue


def record(seen: dict[Connection, float], current: Iterable[Connection], now: float) -> None:
    """Add current connections with their time, and delete old connections and those over MAX_CONNECTIONS."""
    seen.update(dict.fromkeys(current, now))
    latest = sorted(seen, key=lambda connection: seen[connection], reverse=True)[:MAX_CONNECTIONS]
    kept = {connection for connection in latest if seen[connection] > now - RETENTION_SECONDS}
    for connection in set(seen) - kept:
        del seen[connection]


def gateways(lines: Sequence[str]) -> set[str]:
    """Return the default gateways' addresses, from /proc/net/route and /proc/net/ipv6_route.

    With many network plugins the kubelet's health checks come from the gateway, and no network policy can forbid them.
    """
    words = [line.split() for line in lines]
    routes = (line[1:3] for line in words if len(line) > 10)
    found = {_address(gateway) for destination, gateway in routes if destination == DEFAULT_ROUTE != gateway}
    # Destination, length of its prefix, source, length, gateway; the bytes in network order.
    six = (line[4] for line in words if len(line) == 10 and (line[0], line[1]) == (DEFAULT_ROUTE_IPV6, "00"))
    return found | {str(ip_address(bytes.fromhex(gateway))) for gateway in six if gateway != DEFAULT_ROUTE_IPV6}


def connections(lines: Iterable[str], ignored: Container[str] = ()) -> set[Connection]:
    """Return the connections in a table's lines, without those within the pod and to the observer's own port.

    ignored: addresses of peers to leave out.
    """
    entries = [entry for line in lines if (entry := _parsed(line))]
    listening = {entry.local_port for entry in entries if entry.state == LISTEN}
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
    """Parse a line of the table; None for the header."""
    fields = line.split()
    if len(fields) < 4 or ":" not in fields[2]:
        return None
    (_, local_port), (peer, peer_port) = (fields[n].split(":") for n in (1, 2))
    return Entry(int(local_port, 16), _address(peer), int(peer_port, 16), fields[3])


def _address(text: str) -> str:
    """Parse an address, which the kernel writes as 32-bit words in the machine's byte order."""
    words = [bytes.fromhex(text[n : n + 8])[::-1] for n in range(0, len(text), 8)]
    address = ip_address(b"".join(words))
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def _lines(table: Path) -> list[str]:
    return table.read_text().splitlines() if table.exists() else []


if __name__ == "__main__":
    main()
