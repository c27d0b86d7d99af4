"""The listeners of programs in pods answer on IPv4 and IPv6."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from types import ModuleType
from typing import Any

import pytest
from freehold.agents import canary, connection_observer, connectivity_probe
from freehold.agents.postgresql import proxy
from freehold.agents.postgresql.connection import host_and_port
from freehold.core.objects import names

from tests.unit.controller.test_liveness import free_port

LOOPBACKS = ("127.0.0.1", "::1")


def canary_program() -> Coroutine[Any, Any, None]:
    return canary._listen()


def observer_program() -> Coroutine[Any, Any, None]:
    return connection_observer._serve()


def proxy_program() -> Coroutine[Any, Any, None]:
    return proxy.Proxy([]).serve()


PROGRAMS = [
    (canary, ["OPEN_PORT", "CLOSED_PORT"], canary_program),
    (connection_observer, ["PORT"], observer_program),
    (proxy, ["PORT", "PROGRESS_PORT"], proxy_program),
]


@pytest.mark.parametrize(("module", "ports_of", "program"), PROGRAMS, ids=["canary", "observer", "proxy"])
async def test_program_on_both_families(
    module: ModuleType, ports_of: list[str], program: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each port accepts a connection at both loopback addresses."""
    ports = {name: free_port() for name in ports_of}
    for name, port in ports.items():
        monkeypatch.setattr(module, name, port)
    task = asyncio.create_task(program())
    try:
        for host in LOOPBACKS:
            for port in ports.values():
                await connected(host, port)
    finally:
        task.cancel()
        await asyncio.wait([task])


async def connected(host: str, port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(host, port)
                writer.close()
                return
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("host", LOOPBACKS)
async def test_probe_by_address(host: str) -> None:
    """The probe connects to an address of either family."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), host, 0)
    async with server:
        address = names.address(host, server.sockets[0].getsockname()[1])
        assert await connectivity_probe._probe({address: True}) == {"tried": 1, "differences": []}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("users-database-0.users", ("users-database-0.users", 5432)),
        ("users-database-0.users:5433", ("users-database-0.users", 5433)),
        ("[::1]", ("::1", 5432)),
        ("[fd00::6]:5433", ("fd00::6", 5433)),
    ],
)
def test_host_and_port(text: str, found: tuple[str, int]) -> None:
    """A host may have a port; an IPv6 address is in brackets."""
    assert host_and_port(text) == found
