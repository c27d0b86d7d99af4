"""The connection observer and its monitor."""

from __future__ import annotations

import asyncio
import socket
import sys

import pytest
from freehold.agents import connection_observer
from freehold.agents.connection_observer import Connection
from freehold.core.model.resources import Key, ObservedConnection
from freehold.monitors import connections

from tests.unit.monitors.test_sentinel import USERS, cache_with, pod

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
LISTENING = "   0: 00000000:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   999        0 1"
CALLED = "   1: 0500000A:1538 0700000A:A1B2 01 00000000:00000000 00:00000000 00000000   999        0 2"
CALLS = "   2: 0500000A:C001 097100CB:01BB 06 00000000:00000000 00:00000000 00000000     0        0 3"
ITSELF = "   3: 0100007F:C002 0100007F:1538 01 00000000:00000000 00:00000000 00000000   999        0 4"
ASKED = "   4: 0500000A:24BB 0800000A:A1B3 01 00000000:00000000 00:00000000 00000000   999        0 5"
MAPPED = (
    "   5: 0000000000000000FFFF00000500000A:1538 0000000000000000FFFF00000900000A:A1B4 01 "
    "00000000:00000000 00:00000000 00000000   999        0 6"
)


def test_kernel_table_read() -> None:
    """The kernel's table yields incoming and outgoing connections."""
    assert connection_observer.connections([HEAD, LISTENING, CALLED, CALLS, ITSELF, ASKED, MAPPED]) == {
        Connection("in", "10.0.0.7", 5432),
        Connection("out", "203.0.113.9", 443),
        Connection("in", "10.0.0.9", 5432),
    }


def test_gateway_address_ignored() -> None:
    """Connections from the pod's gateway address are the node's, and ignored."""
    head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT"
    default = "eth0\t00000000\t0700000A\t0003\t0\t0\t0\t00000000\t0\t0\t0"
    near = "eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0"
    assert connection_observer.gateways([head, default, near]) == {"10.0.0.7"}
    assert connection_observer.connections([LISTENING, CALLED], {"10.0.0.7"}) == set()


def test_old_and_excess_connections_forgotten() -> None:
    """Old connections, and those beyond the limit, are forgotten."""
    seen: dict[Connection, float] = {}
    connection_observer.remember(seen, [Connection("in", "10.0.0.7", 5432)], 0.0)
    connection_observer.remember(seen, [], connection_observer.REMEMBERED_SECONDS - 1)
    assert seen
    connection_observer.remember(seen, [], connection_observer.REMEMBERED_SECONDS + 1)
    assert not seen
    connection_observer.remember(seen, [Connection("in", "10.0.0.7", port) for port in range(10_000)], 0.0)
    assert len(seen) == connection_observer.AT_MOST


async def test_observer_answers_query(monkeypatch: pytest.MonkeyPatch) -> None:
    """The observer answers a query with the connections of this machine, and ends on SIGTERM."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = f"from freehold.agents import connection_observer as observer; observer.PORT = {port}; observer.main()"
    script += "; print('ended')"
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-uc", script, stdout=pipe)
    monkeypatch.setattr(connections, "PORT", port)
    try:
        while not await _listens(port):
            assert process.returncode is None
        assert isinstance(await connections._query("127.0.0.1"), list)
    finally:
        process.terminate()
    assert (await process.communicate())[0] == b"ended\n"
    assert await connections._query("127.0.0.1") == []


async def test_addresses_named_and_node_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known addresses are named, and connections from the node are ignored."""

    async def answer(_: str) -> list[tuple[str, str, int]]:
        return [("in", "10.0.0.7", 50051), ("in", "10.0.0.1", 50051), ("out", "10.0.0.8", 443)]

    monkeypatch.setattr(connections, "_query", answer)
    subject = pod(USERS, "service", "10.0.0.5", 50051)
    subject["status"]["hostIP"] = "10.0.0.1"
    caller = pod(Key("shop", "payments"), "service", "10.0.0.7", 50052)
    cache = cache_with(subject, caller)
    assert await connections.observed_by(cache, USERS, connections.known_addresses(cache)) == (
        ObservedConnection("service", "in", 50051, "10.0.0.7", (Key("shop", "payments"), "service")),
        ObservedConnection("service", "out", 443, "10.0.0.8"),
    )


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
