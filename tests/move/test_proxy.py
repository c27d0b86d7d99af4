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
from tests.move.programs import Program, open_door
from tests.move.servers import Lab, Server

CLIENTS = 8
HELD_SECONDS = 1.0


@dataclass
class Entrance:
    """A proxy and its clients."""

    first: Server
    second: Server
    port: int
    told_port: int
    door: Program

    def connect(self) -> psycopg.Connection[Any]:
        return self.first.connect(port=self.port, connect_timeout=30)

    def leads_to(self) -> int:
        with self.connect() as client:
            return int(client.execute("SELECT inet_server_port()").fetchall()[0][0])

    def told(self) -> dict[str, Any]:
        with socket.create_connection(("127.0.0.1", self.told_port)) as asked, asked.makefile() as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def wait_told(self, what: Callable[[dict[str, Any]], bool], said: str) -> None:
        wait_until(lambda: what(self.told()), said)


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
def entrance(primaries: tuple[Server, Server]) -> Iterator[Entrance]:
    """A proxy before two servers, the first of which is open."""
    first, second = primaries
    first.open()
    second.close()
    port, told_port = free_port(), free_port()
    door = open_door(first, second, port=port, told_port=told_port)
    yield Entrance(first, second, port, told_port, door)
    door.kill()


def test_proxy_leads_to_primary(entrance: Entrance) -> None:
    """The proxy connects clients to the server that is open for writes."""
    assert entrance.leads_to() == entrance.first.port
    entrance.first.close()
    entrance.second.open()
    assert entrance.leads_to() == entrance.second.port


def test_proxy_holds_clients(entrance: Entrance) -> None:
    """The proxy holds new clients until one server opens."""
    entrance.first.close()
    with ThreadPoolExecutor(CLIENTS) as pool:
        held = [pool.submit(entrance.leads_to) for _ in range(CLIENTS)]
        entrance.wait_told(lambda told: told["held"] == CLIENTS, "all are held")
        assert not wait(held, timeout=0.3).done
        entrance.second.open()
        assert {client.result(10) for client in held} == {entrance.second.port}
    entrance.wait_told(lambda told: (told["held"], told["sessions"]) == (0, 0), "all have left")


def test_proxy_holds_at_most(entrance: Entrance) -> None:
    """The proxy closes a held connection after its limit."""
    entrance.first.close()
    ports = {"port": free_port(), "told_port": free_port()}
    open_door(entrance.first, entrance.second, HELD_SECONDS=str(HELD_SECONDS), **ports)
    began = time.monotonic()
    with pytest.raises(psycopg.OperationalError, match="closed the connection unexpectedly"):
        entrance.first.connect(port=ports["port"], connect_timeout=30)
    assert HELD_SECONDS <= time.monotonic() - began < HELD_SECONDS + 5


def test_proxy_held_client_vanishes(entrance: Entrance) -> None:
    """A client that disconnects while held leaves no session."""
    entrance.first.close()
    gone = [socket.create_connection(("127.0.0.1", entrance.port)) for _ in range(CLIENTS)]
    entrance.wait_told(lambda told: told["held"] == CLIENTS, "all are held")
    for client in gone:
        client.close()
    entrance.second.open()
    assert entrance.leads_to() == entrance.second.port
    entrance.wait_told(lambda told: (told["held"], told["sessions"]) == (0, 0), "all are forgotten")
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'app' AND backend_type = 'client backend'"
    wait_until(lambda: entrance.second.ask(others) == 0, "no session is left at the server")


def test_proxy_ends_after_answers(entrance: Entrance) -> None:
    """On SIGTERM the proxy answers running queries, closes idle sessions and exits with 0."""
    with entrance.connect() as asking, entrance.connect() as idle, ThreadPoolExecutor(1) as pool:
        idle.execute("SELECT")
        answer = pool.submit(lambda: asking.execute("SELECT 'done' FROM pg_sleep(1)").fetchall())
        entrance.wait_told(lambda told: told["sessions"] == 2, "both are there")
        entrance.door.process.send_signal(signal.SIGTERM)
        assert answer.result(10) == [("done",)]
        assert entrance.door.end() == 0
        with pytest.raises(psycopg.OperationalError):
            idle.execute("SELECT")


def test_proxy_reports_progress(entrance: Entrance, lab: Lab) -> None:
    """The proxy reports copied bytes, lag and the state of each server."""
    first, copy = entrance.first, lab.server(copied=False)
    ports = {"port": free_port(), "told_port": free_port()}
    seen = Entrance(first, copy, **ports, door=open_door(first, copy, **ports))
    copy.start_copying(first)
    seen.wait_told(lambda told: bool(told["copied"]), "a part was copied")
    told = seen.told()
    assert told["copied"] < told["total"] and told["lag"] is None
    open_one = {"writable": True, "recovery": False, "reachable": True}
    assert told["servers"] == {first.host: open_one, copy.host: dict.fromkeys(open_one, False)}

    copy.send(signal.SIGCONT)
    seen.wait_told(lambda told: told["lag"] is not None and told["copied"] is None, "it follows")
    follower = {"writable": False, "recovery": True, "reachable": True}
    seen.wait_told(lambda told: told["servers"] == {first.host: open_one, copy.host: follower}, "both are told of")
    copy.stop()
