"""The connection observer, from the kernel's table of connections to the names of peers."""

from __future__ import annotations

import asyncio
import socket
import sys
from datetime import UTC, datetime, timedelta

import pytest
from freehold.agents import connection_observer
from freehold.agents.connection_observer import Connection
from freehold.core.model.resources import ObservedConnection
from freehold.monitors import connections

from tests.unit.monitors.test_sentinel import PAYMENTS, USERS, cache_with, pod

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
LISTENING = "   0: 00000000:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   999        0 1"
INBOUND = "   1: 0500000A:1538 0700000A:A1B2 01 00000000:00000000 00:00000000 00000000   999        0 2"
OUTBOUND = "   2: 0500000A:C001 097100CB:01BB 06 00000000:00000000 00:00000000 00000000     0        0 3"
LOOPBACK = "   3: 0100007F:C002 0100007F:1538 01 00000000:00000000 00:00000000 00000000   999        0 4"
OBSERVER = "   4: 0500000A:24BB 0800000A:A1B3 01 00000000:00000000 00:00000000 00000000   999        0 5"
MAPPED = (
    "   5: 0000000000000000FFFF00000500000A:1538 0000000000000000FFFF00000900000A:A1B4 01 "
    "00000000:00000000 00:00000000 00000000   999        0 6"
)


def test_connections_of_table() -> None:
    """Connections have a direction, a peer and a port; loopback and the observer's own port are left out."""
    assert connection_observer.connections([HEADER, LISTENING, INBOUND, OUTBOUND, LOOPBACK, OBSERVER, MAPPED]) == {
        Connection("in", "10.0.0.7", 5432),
        Connection("out", "203.0.113.9", 443),
        Connection("in", "10.0.0.9", 5432),
    }


def test_connections_of_gateway() -> None:
    """Connections of the default gateway, such as the kubelet's health checks, are left out."""
    header = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT"
    default = "eth0\t00000000\t0700000A\t0003\t0\t0\t0\t00000000\t0\t0\t0"
    near = "eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0"
    assert connection_observer.gateways([header, default, near]) == {"10.0.0.7"}
    assert connection_observer.connections([LISTENING, INBOUND], {"10.0.0.7"}) == set()
    nowhere, gateway = "0" * 32, "fd000000000000000000000000000001"
    route = f"{nowhere} 00 {gateway} 00000400 00000001 00000000 00000003 eth0".replace(" 00 ", f" 00 {nowhere} 00 ")
    on_link = f"{nowhere} 00 {nowhere} 00 {nowhere} 00000400 00000001 00000000 00000003 eth0"
    assert connection_observer.gateways([header, route, on_link]) == {"fd00::1"}


def test_connections_retention() -> None:
    """Connections are deleted after their retention, and over their maximum number."""
    seen: dict[Connection, float] = {}
    connection_observer.record(seen, [Connection("in", "10.0.0.7", 5432)], 0.0)
    connection_observer.record(seen, [], connection_observer.RETENTION_SECONDS - 1)
    assert seen
    connection_observer.record(seen, [], connection_observer.RETENTION_SECONDS + 1)
    assert not seen
    connection_observer.record(seen, [Connection("in", "10.0.0.7", port) for port in range(10_000)], 0.0)
    assert len(seen) == connection_observer.MAX_CONNECTIONS


async def test_connections_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """A running observer serves the connections of this machine's kernel, and ends on SIGTERM."""
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


async def test_connections_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known addresses get the names of services, and connections of the pod's node are left out."""
    listed = [("in", "10.0.0.7", 50051, 0.0), ("in", "10.0.0.1", 50051, 0.0), ("out", "10.0.0.8", 443, 0.0)]
    listed.append(("in", "fd00::1", 50051, 0.0))
    _answers(monkeypatch, *listed)
    subject = pod(USERS, "service", "10.0.0.5", 50051)
    subject["status"] |= {"hostIP": "10.0.0.1", "hostIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]}
    subject["status"]["podIPs"] = [{"ip": "10.0.0.5"}, {"ip": "fd00::5"}]
    cache = cache_with(subject, pod(PAYMENTS, "service", "10.0.0.7", 50052))
    addresses = connections.Addresses()
    await addresses.update(cache)
    assert await connections.observed_by(cache, USERS, addresses, asyncio.Semaphore(9)) == (
        ObservedConnection("service", "in", 50051, "10.0.0.7", (PAYMENTS, "service")),
        ObservedConnection("service", "out", 443, "10.0.0.8"),
    )


async def test_connections_of_ended_pods(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection belongs to the pod that had the address at that time, also after the pod has ended or is deleted;
    a later connection from the same address does not."""
    ended, deleted = pod(USERS, "service", "10.0.0.6", 1, ready=False), pod(PAYMENTS, "service", "10.0.0.7", 50052)
    finished = {"terminated": {"finishedAt": f"{datetime.now(UTC) - timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}"}}
    ended["status"] |= {"phase": "Succeeded", "containerStatuses": [{"state": finished}]}
    cache = cache_with(pod(USERS, "database", "10.0.0.5", 5432), ended, deleted)
    addresses = connections.Addresses()
    await addresses.update(cache)
    cache.drop_owned(deleted)
    await addresses.update(cache)
    for age, component in ((400.0, (USERS, "service")), (100.0, None)):
        _answers(monkeypatch, ("in", "10.0.0.6", 5432, age))
        (found,) = await connections.observed_by(cache, USERS, addresses, asyncio.Semaphore(9))
        assert found.peer_service == component, age
    _answers(monkeypatch, ("in", "10.0.0.7", 5432, 1.0))
    (found,) = await connections.observed_by(cache, USERS, addresses, asyncio.Semaphore(9))
    assert found.peer_service == (PAYMENTS, "service")


@pytest.mark.parametrize(
    "answer",
    [
        *(b"[1]", b"{}", b"", b"[" * 2000, b'[["in", 7, "x", null]]', b"\xff"),
        *(b'[["in", "<script>", 1, 0.0]]', b'[["in", "10.0.0.7", 1, NaN]]'),
        b'[["in", "10.0.0.7", 1, 0.0]' + b" " * 70_000 + b"]",
    ],
)
async def test_connections_malformed_answer(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    """An observer's answer of another form counts as none."""

    async def reply(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(reply, "127.0.0.1") as server:
        monkeypatch.setattr(connections, "PORT", server.sockets[0].getsockname()[1])
        assert await connections._query("127.0.0.1") == []


def _answers(monkeypatch: pytest.MonkeyPatch, *listed: tuple[str, str, int, float]) -> None:
    """Let every observer report these connections."""

    async def query(_: str) -> list[connections.Reported]:
        return connections.ANSWER.validate_python(listed)

    monkeypatch.setattr(connections, "_query", query)


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
