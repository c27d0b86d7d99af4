"""The monitor of database proxies, on real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from freehold.core.model.resources import Key
from freehold.core.objects import names
from freehold.kube.cache import Cache
from freehold.monitors import replication
from freehold.monitors.replication import ReplicationMonitor
from freehold.monitors.rotation import Rotation

from tests.unit.monitors.test_sentinel import PAYMENTS, USERS, cache_with, closed_port

REPORT = {"servers": {}, "copied": 5, "total": 9, "lag": None, "losses": None, "in_use": False}
HOSTS = {USERS: "127.0.0.2", PAYMENTS: "127.0.0.3"}


def proxies(*without_address: Key) -> Cache:
    """A cache with a ready database proxy of each service. without_address: proxies without podIP."""
    cache = cache_with()
    for key, host in HOSTS.items():
        labels = {"app.kubernetes.io/instance": key.name}
        metadata = {"name": names.proxy_pod(key.name), "namespace": key.namespace, "uid": str(key), "labels": labels}
        status = {"conditions": [{"type": "Ready", "status": "True"}]}
        address = {} if key in without_address else {"podIP": host}
        cache.put_owned({"kind": "Pod", "metadata": {**metadata, "resourceVersion": "1"}, "status": status | address})
    return cache


@asynccontextmanager
async def answering(monkeypatch: pytest.MonkeyPatch, answers: dict[Key, bytes]) -> AsyncIterator[None]:
    """Serve an answer for each proxy."""
    monkeypatch.setattr(names, "PORT_PROGRESS", closed_port("127.0.0.1"))
    servers = []
    for key, answer in answers.items():

        def reply(_: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: bytes = answer) -> None:
            writer.write(answer)
            writer.close()

        servers.append(await asyncio.start_server(reply, HOSTS[key], names.PORT_PROGRESS))
    yield
    for server in servers:
        server.close()


@pytest.mark.parametrize(
    "answer",
    [
        *(b"[" * 2000, b"[" * 7000, b"[1]", b"7", b"", b"\xff", b'{"copied": "many"}', b'{"copied": -1}'),
        *(b'{"copied": NaN}', b'{"copied": 1' + b"0" * 5000 + b"}", b" " * 9000 + b"{}"),
    ],
)
async def test_malformed_answer_concerns_one_proxy(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    """A malformed answer counts as none, and the other proxies' reports are read."""
    changed: list[Key] = []
    async with answering(monkeypatch, {USERS: json.dumps(REPORT).encode(), PAYMENTS: answer}):
        monitor = ReplicationMonitor(proxies(), changed.extend)
        await monitor._round()
    assert monitor.progress == {USERS: REPORT}
    assert changed == [USERS]


async def test_ready_pod_without_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ready proxy without an address is not asked."""
    async with answering(monkeypatch, {USERS: json.dumps(REPORT).encode()}):
        monitor = ReplicationMonitor(proxies(PAYMENTS), lambda _: None)
        await monitor._round()
    assert monitor.progress == {USERS: REPORT}


async def test_report_stays_until_the_next_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report of a proxy that is not asked in a round stays; an unreachable proxy's report is removed."""
    monkeypatch.setattr(replication, "PROXIES_PER_ROUND", 1)
    answer = json.dumps(REPORT).encode()
    monitor = ReplicationMonitor(proxies(), lambda _: None)
    async with answering(monkeypatch, {USERS: answer, PAYMENTS: answer}):
        await monitor._round()
        await monitor._round()
    assert set(monitor.progress) == {USERS, PAYMENTS}
    await monitor._round()
    assert len(monitor.progress) == 1


def test_rotation_is_fair() -> None:
    """Each round has services of each namespace, however many one namespace has; all services have their turn."""
    flood = [Key("evil", f"s{index}") for index in range(100)]
    rotation = Rotation()
    rounds = [rotation.next([*flood, USERS], 11) for _ in range(10)]
    assert all(USERS in chosen for chosen in rounds)
    assert {key for chosen in rounds for key in chosen} == {*flood, USERS}
    assert rotation.next([USERS], 11) == [USERS]
