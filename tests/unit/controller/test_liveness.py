"""The operator's own listeners answer on IPv4 and IPv6."""

from __future__ import annotations

import asyncio
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from freehold.cli import main
from freehold.controller import liveness, metrics

LOOPBACKS = ("127.0.0.1", "[::1]")
DEFAULT = next(option.default for option in main.operator.params if option.name == "liveness")


def free_port() -> int:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        return int(listener.getsockname()[1])


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


async def answers(url: str, asked: list[str], silent: list[str]) -> list[tuple[int, str]]:
    server = await liveness.serve(url, lambda: silent)
    try:
        return [await asyncio.to_thread(get, each) for each in asked]
    finally:
        await server.cleanup()


@pytest.mark.parametrize(("silent", "status"), [([], 200), (["pods"], 500)])
async def test_liveness_on_both_families(silent: list[str], status: int) -> None:
    """The default address answers on both families, by one socket that takes both."""
    port = free_port()
    asked = [f"http://{host}:{port}/healthz" for host in LOOPBACKS]
    found = await answers(str(DEFAULT).replace("8080", str(port)), asked, silent)
    assert [code for code, _ in found] == [status, status]
    assert all(kind in text for kind in silent for _, text in found)


def test_liveness_is_one_socket() -> None:
    """The socket is in the kernel's table of IPv6, as one that takes both."""
    port = free_port()
    with liveness.listen("::", port):
        tables = [Path(f"/proc/net/{table}").read_text() for table in ("tcp", "tcp6")]
    assert [f":{port:04X} " in table for table in tables] == [False, True]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_liveness_at_one_address(host: str) -> None:
    """Another address is bound as it is."""
    with liveness.listen(host, 0) as listener:
        assert listener.getsockname()[0] == host


def test_liveness_without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel without IPv6 listens on IPv4."""
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    assert liveness.any_address() == "0.0.0.0"
    with liveness.listen("::", 0) as listener:
        assert listener.getsockname()[0] == "0.0.0.0"


def test_metrics_on_both_families() -> None:
    """Metrics answer on both families."""
    port = free_port()
    totals = metrics.Totals(0, 0, metrics.Counts(), 0, 0, 0, leader=True, dns_closed=False, changes={})
    metrics.serve(lambda: totals, port)
    for host in LOOPBACKS:
        assert "freehold_leader 1.0" in get(f"http://{host}:{port}/metrics")[1]
