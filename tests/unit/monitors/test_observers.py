"""The rounds of the sentinel over connection observers, on real sockets."""

from __future__ import annotations

import asyncio
import json

import pytest
from freehold.core.model.resources import Key, Object
from freehold.kube.cache import Cache
from freehold.monitors import connections, sentinel
from freehold.monitors.sentinel import Sentinel

from tests.unit.monitors.test_sentinel import OPERATOR, PAYMENTS, USERS, closed_port, pod

LISTED = json.dumps([["in", "192.0.2.7", 5432, 0.5]]).encode()


def audited(*pods: Object) -> Cache:
    """A cache with services in audit mode."""
    cache = Cache(lambda _: None)
    for key in (USERS, PAYMENTS):
        metadata = {**key._asdict(), "uid": key.name, "resourceVersion": "1"}
        cache.put_service({"kind": "Microservice", "metadata": metadata}, frozenset(), audited=True)
    for live in pods:
        cache.put_owned(live)
    return cache


async def serve(host: str, port: int, answer: bytes) -> asyncio.Server:
    def reply(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    return await asyncio.start_server(reply, host, port)


@pytest.mark.parametrize("answer", [b"[1]", b"[" * 60_000, b'[["in", "\\u001b[2J", 1, 0.1]]'])
async def test_malformed_answer_concerns_one_service(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    """A malformed answer, and a ready pod without an address, hide no other service's connections."""
    port = closed_port("127.0.0.1")
    monkeypatch.setattr(connections, "PORT", port)
    broken = pod(PAYMENTS, "service", "", 2)
    del broken["status"]["podIP"]
    cache = audited(pod(USERS, "database", "127.0.0.2", 1), pod(PAYMENTS, "service", "127.0.0.3", 1), broken)
    async with await serve("127.0.0.2", port, LISTED), await serve("127.0.0.3", port, answer):
        monitor = Sentinel(cache, OPERATOR, "", lambda _: None)
        await monitor._read_observers()
    (found,) = monitor.findings.connections[USERS]
    assert (found.peer, found.port) == ("192.0.2.7", 5432)
    assert PAYMENTS not in monitor.findings.connections


async def test_unreadable_object_of_a_remote_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """An object of a remote cluster in any form hides no other address."""
    port = closed_port("127.0.0.1")
    monkeypatch.setattr(connections, "PORT", port)
    foreign = pod(Key("evil@west", "x"), "service", "127.0.0.9", 1)
    foreign["status"] |= {"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"finishedAt": "never"}}}]}
    cache = audited(foreign, pod(USERS, "database", "127.0.0.2", 1))
    async with await serve("127.0.0.2", port, LISTED):
        monitor = Sentinel(cache, OPERATOR, "", lambda _: None)
        await monitor._read_observers()
    assert USERS in monitor.findings.connections


async def test_services_are_read_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections of services that are not asked in a round stay."""
    port = closed_port("127.0.0.1")
    monkeypatch.setattr(connections, "PORT", port)
    monkeypatch.setattr(sentinel, "SERVICES_PER_ROUND", 1)
    changed: list[Key] = []
    cache = audited(pod(USERS, "database", "127.0.0.2", 1), pod(PAYMENTS, "service", "127.0.0.2", 2))
    async with await serve("127.0.0.2", port, LISTED):
        monitor = Sentinel(cache, OPERATOR, "", changed.extend)
        await monitor._read_observers()
        await monitor._read_observers()
    assert sorted(changed) == [PAYMENTS, USERS]
    assert set(monitor.findings.connections) == {USERS, PAYMENTS}
