"""Writers during a move: clients through the proxy, and witnesses at each server's own port."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg

from tests.move.machine import free_port, wait_until
from tests.move.programs import Program, start_proxy
from tests.move.servers import Server

EVERY_SECONDS = 0.01
WITNESS_SECONDS = 0.05
INSERT = "INSERT INTO entries (id) SELECT %(id)s WHERE NOT EXISTS (SELECT FROM entries WHERE id = %(id)s)"
"""A lost connection: the last statement may have been committed."""


@dataclass(frozen=True)
class Accepted:
    """An acknowledged write, with times of the monotonic clock."""

    name: str
    began: float
    ended: float


class Writer:
    """A client that writes row after row, and repeats each until it is acknowledged."""

    def __init__(self, name: str, connect: Callable[[], psycopg.Connection[Any]], *, insists: bool = True) -> None:
        """insists: whether refused rows are repeated; witnesses do not repeat."""
        self.accepted: list[Accepted] = []
        self._name, self._connect, self._insists = name, connect, insists
        self._connection: psycopg.Connection[Any] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        number = 0
        while not self._stopping.wait(EVERY_SECONDS if self._insists else WITNESS_SECONDS):
            began = time.monotonic()
            name = f"{self._name}-{number}"
            while not (done := self._written(name)) and self._insists and not self._stopping.is_set():
                time.sleep(0.002)
            if done:
                self.accepted.append(Accepted(name, began, time.monotonic()))
            number += 1
        if self._connection:
            self._connection.close()

    def _written(self, name: str) -> bool:
        try:
            self._connection = self._connection or self._connect()
            self._connection.execute(INSERT, {"id": name})
        except psycopg.Error:
            if self._connection:
                self._connection.close()
            self._connection = None
            return False
        return True

    def longest(self) -> float:
        """The longest time of a write, in seconds."""
        return max(row.ended - row.began for row in self.accepted)

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()


class Scene:
    """A proxy, a client that writes through the proxy, and a witness at each server, from construction until `stop`."""

    def __init__(self, source: Server, target: Server) -> None:
        self.source, self.target = source, target
        self.port, self.progress_port = free_port(), free_port()
        self.proxy = self.start_proxy()
        self.client = Writer("client", lambda: source.connect(port=self.port, connect_timeout=20))
        self.witnesses = [
            Writer(server.name, lambda server=server: server.connect(), insists=False) for server in (source, target)
        ]
        wait_until(lambda: len(self.client.accepted) > 5, "the client writes")

    def start_proxy(self) -> Program:
        return start_proxy(self.source, self.target, port=self.port, progress_port=self.progress_port)

    def goes_on(self) -> None:
        """Wait until a further write of the client is acknowledged."""
        count = len(self.client.accepted)
        wait_until(lambda: len(self.client.accepted) > count + 5, "the client is served")

    def stop(self) -> None:
        for writer in (self.client, *self.witnesses):
            writer.stop()
        self.proxy.process.terminate()
        with contextlib.suppress(Exception):
            self.proxy.process.wait(25)

    def check(self, at: Server, away: Server) -> None:
        """Assert that exactly one server is open, with each acknowledged row once; the other may have just started."""
        assert at.is_open()
        away.wait_ready()
        assert not away.is_open()
        there = held(at)
        acknowledged = [row.name for writer in (self.client, *self.witnesses) for row in writer.accepted]
        lost = [name for name in acknowledged if not there[name]]
        assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged rows are lost: {lost[:5]}"
        twice = [name for name, count in there.items() if count > 1]
        assert not twice
        assert at.ask("SELECT last_value >= (SELECT max(number) FROM entries) FROM entries_number_seq", "app")

    def check_order(self) -> None:
        """Assert that the first server accepted no row after the second had accepted one."""
        at_source, at_target = (writer.accepted for writer in self.witnesses)
        first = min((row.ended for row in at_target), default=float("inf"))
        assert not [row for row in at_source if row.began > first], "both servers took rows"


def held(server: Server) -> Counter[str]:
    """Return the number of copies of each row."""
    with psycopg.connect(host=f"{server.folder}/run", port=server.port, user="postgres", dbname="app") as connection:
        return Counter(name for (name,) in connection.execute("SELECT id FROM entries"))
