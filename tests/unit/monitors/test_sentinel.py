"""The sentinel and the connectivity probe on real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from freehold.agents import connectivity_probe
from freehold.core.model.resources import Key, Object
from freehold.kube.cache import Cache
from freehold.monitors import sentinel
from freehold.monitors.sentinel import Sentinel

USERS, PAYMENTS = Key("shop", "users"), Key("shop", "payments")
OPERATOR = "freehold-system/freehold"


@asynccontextmanager
async def listening(host: str, port: int = 0) -> AsyncIterator[int]:
    """Listen on a port, and close each connection. Yields the port."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), host, port)
    async with server:
        yield server.sockets[0].getsockname()[1]


def closed_port(host: str) -> int:
    with socket.socket() as free:
        free.bind((host, 0))
        return int(free.getsockname()[1])


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
    """A sentinel, and the services that it reported as changed."""

    def __init__(self, cache: Cache, canaries: str = "") -> None:
        self.changed: list[Key] = []
        self.sentinel = Sentinel(cache, OPERATOR, canaries, self._note)

    def _note(self, keys: Iterable[Key]) -> None:
        self.changed += keys

    async def round(self) -> None:
        self.changed.clear()
        await self.sentinel._try_canaries()
        await self.sentinel._try_services()


@pytest.fixture(autouse=True)
def confirmed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentinel, "CONFIRM_AFTER_SECONDS", 0.0)


async def test_breach_reported_once_and_when_over() -> None:
    """An open port is named; the service is reported once, and again when the port is closed."""
    async with listening("127.0.0.1") as port:
        run = Run(cache_with(pod(USERS, "database", "127.0.0.1", port)))
        await run.round()
        assert run.changed == [USERS]
        (message,) = run.sentinel.findings.breaches[USERS]
        assert message.startswith(f"{OPERATOR} → users-database.shop.svc:{port} is open")
        await run.round()
        assert run.changed == []
    await run.round()
    assert (run.changed, run.sentinel.findings.breaches) == ([USERS], {})


async def test_breach_by_either_family() -> None:
    """Both addresses of a pod are tried, since network plugins have rules for each family."""
    for host in ("127.0.0.1", "::1"):
        async with listening(host) as port:
            subject = pod(USERS, "database", "127.0.0.1", port)
            subject["status"]["podIPs"] = [{"ip": "127.0.0.1"}, {"ip": "::1"}]
            run = Run(cache_with(subject))
            await run.round()
            assert len(run.sentinel.findings.breaches[USERS]) == 1


async def test_closed_ports_reported_to_none() -> None:
    """Closed ports are not reported."""
    port = closed_port("127.0.0.1")
    run = Run(cache_with(pod(USERS, "database", "127.0.0.1", port), pod(PAYMENTS, "service", "127.0.0.1", port)))
    await run.round()
    assert (run.changed, run.sentinel.findings.breaches) == ([], {})


async def test_starting_pods_and_probes_not_tried() -> None:
    """Pods that are not ready, and probes, are not tried."""
    async with listening("127.0.0.1") as port:
        starting = pod(USERS, "service", "127.0.0.1", port, ready=False)
        probing = pod(PAYMENTS, "service", "127.0.0.1", port, **{"freehold.dev/probe": "true"})
        run = Run(cache_with(starting, probing))
        await run.round()
        assert run.changed == []


async def test_rounds_cover_all_services(monkeypatch: pytest.MonkeyPatch) -> None:
    """Consecutive rounds cover all services."""
    monkeypatch.setattr(sentinel, "SERVICES_PER_ROUND", 1)
    async with listening("127.0.0.1") as port:
        run = Run(cache_with(*(pod(key, "service", "127.0.0.1", port) for key in (USERS, PAYMENTS))))
        await run.round()
        assert run.changed == [PAYMENTS]
        await run.round()
        assert set(run.sentinel.findings.breaches) == {USERS, PAYMENTS}


async def test_pod_without_address_concerns_its_service_alone() -> None:
    """A ready pod without an address is not tried, and the ports of other services are."""
    broken = pod(PAYMENTS, "service", "", 1)
    del broken["status"]["podIP"]
    async with listening("127.0.0.1") as port:
        run = Run(cache_with(broken, pod(USERS, "database", "127.0.0.1", port)))
        await run.round()
        assert run.changed == [USERS]


async def test_open_canary_shows_missing_enforcement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An open closed-port of a canary is reported to every service."""
    async with listening("127.0.0.1") as open_port:
        monkeypatch.setattr(sentinel, "OPEN_PORT", open_port)
        async with listening("127.0.0.1") as canary_port:
            monkeypatch.setattr(sentinel, "CLOSED_PORT", canary_port)
            run = Run(cache_with(), "localhost")
            await run.round()
            (message,) = run.sentinel.findings.unenforced
            assert message == f"{OPERATOR} → canary 127.0.0.1:{canary_port} is open despite a network policy"
            assert set(run.changed) == {USERS, PAYMENTS}, "every service is reported"
            assert run.sentinel.findings.canaries == 1
        await run.round()
        assert run.sentinel.findings.unenforced == ()
        assert set(run.changed) == {USERS, PAYMENTS}


async def test_unreachable_canary_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A canary whose open port is unreachable proves nothing."""
    monkeypatch.setattr(sentinel, "OPEN_PORT", closed_port("127.0.0.1"))
    async with listening("127.0.0.1") as canary_port:
        monkeypatch.setattr(sentinel, "CLOSED_PORT", canary_port)
        run = Run(cache_with(), "localhost")
        await run.round()
        assert run.sentinel.findings.unenforced == ()


async def test_probe_reports_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe reports the ports that are not as declared."""
    monkeypatch.setattr(connectivity_probe, "RETRY_SECONDS", 0.0)
    unused = closed_port("127.0.0.1")
    async with listening("127.0.0.1") as port:
        opened, closed = (f"localhost:{port}", f"localhost:{unused}"), (f"127.0.0.1:{port}", "nowhere.invalid:1")
        answer = await connectivity_probe._probe({**dict.fromkeys(opened, True), **dict.fromkeys(closed, False)})
    assert answer == {"tried": 3, "differences": [(f"localhost:{unused}", "Closed"), (f"127.0.0.1:{port}", "Open")]}


def test_probe_without_nameserver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe whose nameservers do not answer has tried nothing, and says so rather than that all is as declared."""

    def silent(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    monkeypatch.setattr(connectivity_probe, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(connectivity_probe, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(sys, "argv", ["probe", "--open=users.shop.svc:50051"])
    with pytest.raises(SystemExit, match="no nameserver answers; DNS is down, or closed to the pods of the service"):
        connectivity_probe.main()


async def test_probe_waits_for_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe waits while policies are being applied."""
    monkeypatch.setattr(connectivity_probe, "PAUSE_SECONDS", 0.01)
    async with listening("127.0.0.1") as port:
        trying = asyncio.create_task(connectivity_probe._probe({f"127.0.0.1:{port}": False}))
        await asyncio.sleep(0.1)
        assert not trying.done()
    assert (await trying)["differences"] == []


def test_probe_answer_fits_termination_message() -> None:
    """The longest answer fits a termination message of 4096 bytes."""
    named = [("a" * 40 + "-database." + "b" * 63 + ".svc:5432", "Closed")] * connectivity_probe.MAX_DIFFERENCES
    assert len(json.dumps({"tried": 200, "differences": named})) < 4096
