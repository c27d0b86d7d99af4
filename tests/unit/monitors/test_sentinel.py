"""The sentinel and the probe, on real sockets: what opens, what does not, and who is told."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest
from freehold.agents import connectivity_probe
from freehold.core.model.resources import Key, Object
from freehold.kube.cache import Cache
from freehold.monitors import sentinel
from freehold.monitors.sentinel import Sentinel

USERS, PAYMENTS = Key("shop", "users"), Key("shop", "payments")
WHO = "freehold-system/freehold"


@asynccontextmanager
async def listening(host: str, port: int = 0) -> AsyncIterator[int]:
    """A port that accepts and hangs up."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), host, port)
    async with server:
        yield server.sockets[0].getsockname()[1]


def closed_port(host: str) -> int:
    with socket.socket() as one:
        one.bind((host, 0))
        return int(one.getsockname()[1])


def pod(key: Key, component: str, host: str, port: int, *, ready: bool = True, **labels: str) -> Object:
    name = {"database": "postgresql", "service": "grpc"}[component]
    ports = [{"name": name, "containerPort": port}, {"name": "http", "containerPort": 1}]
    marks = {"app.kubernetes.io/instance": key.name, "app.kubernetes.io/component": component, **labels}
    metadata = {"name": f"{key.name}-{component}-{port}", "namespace": key.namespace, "uid": f"{key}{port}"}
    return {
        "kind": "Pod",
        "metadata": {**metadata, "labels": marks, "resourceVersion": "1"},
        "spec": {"containers": [{"ports": ports}]},
        "status": {"podIP": host, "conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def cache_with(*pods: Object) -> Cache:
    cache = Cache(lambda _: None)
    for key in (USERS, PAYMENTS):
        metadata = {**key._asdict(), "uid": key.name, "resourceVersion": "1"}
        cache.put_service({"kind": "Microservice", "metadata": metadata}, frozenset())
    for live in pods:
        cache.put_owned(live)
    return cache


class Run:
    """A sentinel, and whom it told."""

    def __init__(self, cache: Cache, canaries: str = "") -> None:
        self.told: list[Key] = []
        self.sentinel = Sentinel(cache, WHO, canaries, self._note)

    def _note(self, keys: Iterable[Key]) -> None:
        self.told += keys

    async def round(self) -> None:
        self.told.clear()
        await self.sentinel._canary_round()
        await self.sentinel._service_round()


@pytest.fixture(autouse=True)
def confirmed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentinel, "CONFIRMED_AFTER_SECONDS", 0.0)


async def test_a_door_that_opens_is_named_and_its_service_told_once_and_when_it_shuts() -> None:
    async with listening("127.0.0.1") as port:
        run = Run(cache_with(pod(USERS, "database", "127.0.0.1", port)))
        await run.round()
        assert run.told == [USERS]
        (said,) = run.sentinel.seen.breaches[USERS]
        assert said.startswith(f"{WHO} → users-database.shop.svc:{port} is open")
        await run.round()
        assert run.told == []
    await run.round()
    assert (run.told, run.sentinel.seen.breaches) == ([USERS], {})


async def test_doors_that_stay_shut_tell_nobody() -> None:
    port = closed_port("127.0.0.1")
    run = Run(cache_with(pod(USERS, "database", "127.0.0.1", port), pod(PAYMENTS, "service", "127.0.0.1", port)))
    await run.round()
    assert (run.told, run.sentinel.seen.breaches) == ([], {})


async def test_pods_that_start_and_probes_are_not_tried() -> None:
    async with listening("127.0.0.1") as port:
        starting = pod(USERS, "service", "127.0.0.1", port, ready=False)
        probing = pod(PAYMENTS, "service", "127.0.0.1", port, **{"freehold.dev/probe": "true"})
        run = Run(cache_with(starting, probing))
        await run.round()
        assert run.told == []


async def test_every_service_has_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentinel, "SERVICES_A_ROUND", 1)
    async with listening("127.0.0.1") as port:
        run = Run(cache_with(*(pod(key, "service", "127.0.0.1", port) for key in (USERS, PAYMENTS))))
        await run.round()
        assert run.told == [PAYMENTS]
        await run.round()
        assert set(run.sentinel.seen.breaches) == {USERS, PAYMENTS}


async def test_a_canary_whose_shut_door_opens_shows_that_policies_are_not_enforced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with listening("127.0.0.1") as open_port:
        monkeypatch.setattr(sentinel, "OPEN_PORT", open_port)
        async with listening("127.0.0.1") as shut_port:
            monkeypatch.setattr(sentinel, "CLOSED_PORT", shut_port)
            run = Run(cache_with(), "localhost")
            await run.round()
            (said,) = run.sentinel.seen.unenforced
            assert said == f"{WHO} → canary 127.0.0.1:{shut_port} is open, and a policy shuts it"
            assert set(run.told) == {USERS, PAYMENTS}, "every service is told"
            assert run.sentinel.seen.canaries == 1
        await run.round()
        assert run.sentinel.seen.unenforced == ()
        assert set(run.told) == {USERS, PAYMENTS}


async def test_a_canary_that_cannot_be_reached_at_all_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentinel, "OPEN_PORT", closed_port("127.0.0.1"))
    async with listening("127.0.0.1") as shut_port:
        monkeypatch.setattr(sentinel, "CLOSED_PORT", shut_port)
        run = Run(cache_with(), "localhost")
        await run.round()
        assert run.sentinel.seen.unenforced == ()


async def test_a_probe_says_what_is_not_as_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connectivity_probe, "RETRY_SECONDS", 0.0)
    shut = closed_port("127.0.0.1")
    async with listening("127.0.0.1") as port:
        opened, closed = (f"localhost:{port}", f"localhost:{shut}"), (f"127.0.0.1:{port}", "nowhere.invalid:1")
        answer = await connectivity_probe._probe({**dict.fromkeys(opened, True), **dict.fromkeys(closed, False)})
    assert answer == {"tried": 3, "differences": [(f"localhost:{shut}", "Closed"), (f"127.0.0.1:{port}", "Open")]}


async def test_a_probe_waits_for_a_wall_that_is_being_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connectivity_probe, "PAUSE_SECONDS", 0.01)
    async with listening("127.0.0.1") as port:
        trying = asyncio.create_task(connectivity_probe._probe({f"127.0.0.1:{port}": False}))
        await asyncio.sleep(0.1)
        assert not trying.done()
    assert (await trying)["differences"] == []


def test_the_answer_fits_a_termination_message() -> None:
    named = [("a" * 40 + "-database." + "b" * 63 + ".svc:5432", "Closed")] * connectivity_probe.MAX_DIFFERENCES
    assert len(json.dumps({"tried": 200, "differences": named})) < 4096
