"""The database proxy alone, with two servers that the tests fence and unfence."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from tests.move.machine import free_port, wait_until
from tests.move.programs import Program, start_proxy
from tests.move.servers import Lab, Server

CLIENTS = 8
HELD_SECONDS = 1.0


@dataclass
class ProxyScene:
    """A proxy and its clients."""

    first: Server
    second: Server
    port: int
    progress_port: int
    proxy: Program

    def connect(self) -> psycopg.Connection[Any]:
        return self.first.connect(port=self.port, connect_timeout=30)

    def connected_port(self) -> int:
        with self.connect() as client:
            return int(client.execute("SELECT inet_server_port()").fetchall()[0][0])

    def progress(self) -> dict[str, Any]:
        with socket.create_connection(("127.0.0.1", self.progress_port)) as connection, connection.makefile() as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def wait_progress(self, condition: Callable[[dict[str, Any]], bool], description: str) -> None:
        wait_until(lambda: condition(self.progress()), description)


@pytest.fixture(scope="module")
def primaries(lab: Lab) -> Iterator[tuple[Server, Server]]:
    made = lab.server(), lab.server()
    try:
        for server in made:
            server.start()
        for server in made:
            server.wait_ready()
        yield made
    finally:
        lab.end()


@pytest.fixture
def scene(primaries: tuple[Server, Server]) -> Iterator[ProxyScene]:
    """A proxy before two servers, the first of which is open."""
    first, second = primaries
    first.open()
    second.close()
    port, progress_port = free_port(), free_port()
    proxy = start_proxy(first, second, port=port, progress_port=progress_port)
    yield ProxyScene(first, second, port, progress_port, proxy)
    proxy.kill()


def test_proxy_connects_to_primary(scene: ProxyScene) -> None:
    """The proxy connects clients to the server that is open for writes."""
    assert scene.connected_port() == scene.first.port
    scene.first.close()
    scene.second.open()
    assert scene.connected_port() == scene.second.port


def test_proxy_holds_clients(scene: ProxyScene) -> None:
    """The proxy holds new clients until one server opens."""
    scene.first.close()
    with ThreadPoolExecutor(CLIENTS) as pool:
        held = [pool.submit(scene.connected_port) for _ in range(CLIENTS)]
        scene.wait_progress(lambda progress: progress["held"] == CLIENTS, "all clients are held")
        assert not wait(held, timeout=0.3).done
        scene.second.open()
        assert {client.result(10) for client in held} == {scene.second.port}
    scene.wait_progress(lambda progress: (progress["held"], progress["sessions"]) == (0, 0), "no client is left")


def test_proxy_holds_at_most(scene: ProxyScene) -> None:
    """The proxy closes a held connection after its limit."""
    scene.first.close()
    ports = {"port": free_port(), "progress_port": free_port()}
    start_proxy(scene.first, scene.second, HELD_SECONDS=str(HELD_SECONDS), **ports)
    began = time.monotonic()
    with pytest.raises(psycopg.OperationalError, match="closed the connection unexpectedly"):
        scene.first.connect(port=ports["port"], connect_timeout=30)
    assert HELD_SECONDS <= time.monotonic() - began < HELD_SECONDS + 5


def test_proxy_held_client_vanishes(scene: ProxyScene) -> None:
    """A client that disconnects while held leaves no session."""
    scene.first.close()
    gone = [socket.create_connection(("127.0.0.1", scene.port)) for _ in range(CLIENTS)]
    scene.wait_progress(lambda progress: progress["held"] == CLIENTS, "all clients are held")
    for client in gone:
        client.close()
    scene.second.open()
    assert scene.connected_port() == scene.second.port
    scene.wait_progress(lambda progress: (progress["held"], progress["sessions"]) == (0, 0), "no client is left")
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'app' AND backend_type = 'client backend'"
    wait_until(lambda: scene.second.ask(others) == 0, "no session is left at the server")


def test_proxy_ends_after_answers(scene: ProxyScene) -> None:
    """On SIGTERM the proxy answers running queries, closes idle sessions and exits with 0."""
    with scene.connect() as asking, scene.connect() as idle, ThreadPoolExecutor(1) as pool:
        idle.execute("SELECT")
        answer = pool.submit(lambda: asking.execute("SELECT 'done' FROM pg_sleep(1)").fetchall())
        scene.wait_progress(lambda progress: progress["sessions"] == 2, "both sessions are open")
        scene.proxy.process.send_signal(signal.SIGTERM)
        assert answer.result(10) == [("done",)]
        assert scene.proxy.end() == 0
        with pytest.raises(psycopg.OperationalError):
            idle.execute("SELECT")


def test_proxy_reports_progress(scene: ProxyScene, lab: Lab) -> None:
    """The proxy reports copied bytes, lag and the state of each server."""
    first, copy = scene.first, lab.server(copied=False)
    ports = {"port": free_port(), "progress_port": free_port()}
    copying = ProxyScene(first, copy, **ports, proxy=start_proxy(first, copy, **ports))
    copy.start_copying(first)
    copying.wait_progress(lambda progress: bool(progress["copied"]), "a part was copied")
    progress = copying.progress()
    assert progress["copied"] < progress["total"] and progress["lag"] is None
    open_one = {"writable": True, "recovery": False, "reachable": True}
    assert progress["servers"] == {first.host: open_one, copy.host: dict.fromkeys(open_one, False)}

    copy.send(signal.SIGCONT)
    copying.wait_progress(
        lambda progress: progress["lag"] is not None and progress["copied"] is None, "the copy replicates"
    )
    follower = {"writable": False, "recovery": True, "reachable": True}
    copying.wait_progress(
        lambda progress: progress["servers"] == {first.host: open_one, copy.host: follower}, "both servers are reported"
    )
    copy.stop()
