"""Tests of short database outages, as during a move: no call fails, and the delay is bounded."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
import psycopg
import pytest
from harness import SERVING, Database, Server

from shop.users.v1 import users_pb2 as pb
from shop.users.v1.users_pb2_grpc import UsersServiceStub

RATE = 50
"""Calls per second; every second call writes."""
AWAY = 0.4
PROMPT = 0.35
"""The maximum delay of a call in seconds beyond the outage, on a busy machine."""


@dataclass
class Load:
    """Calls the server until stopped.

    Records the number of calls, the longest duration, errors and registrations.
    """

    target: str
    made: int = 0
    longest: float = 0.0
    failed: list[str] = field(default_factory=list)
    registered: list[str] = field(default_factory=list)
    stopped: bool = False

    async def run(self) -> None:
        async with grpc.aio.insecure_channel(self.target) as channel:
            users, loop = UsersServiceStub(channel), asyncio.get_running_loop()
            started, calls = loop.time(), list[asyncio.Task[None]]()
            while not self.stopped:
                calls.append(asyncio.create_task(self._call(users, len(calls))))
                await asyncio.sleep(started + len(calls) / RATE - loop.time())
            await asyncio.gather(*calls)
            self.made = len(calls)

    async def _call(self, users: Any, number: int) -> None:  # noqa: ANN401 - typed as the plain channel's
        started, address = time.monotonic(), f"n{number}@example.org"
        try:
            if number % 2:
                await users.ListUsers(pb.ListUsersRequest(page_size=1), timeout=5)
            else:
                await users.RegisterUser(pb.RegisterUserRequest(name="Ada", email=address), timeout=5)
                self.registered.append(address)
        except grpc.aio.AioRpcError as error:
            self.failed.append(f"{error.code().name}: {error.details()}")
        self.longest = max(self.longest, time.monotonic() - started)


@contextmanager
def load(server: Server) -> Iterator[Load]:
    """Call the server while the context is open."""
    calls = Load(f"127.0.0.1:{server.port}")
    with ThreadPoolExecutor(1) as pool:
        running: Future[None] = pool.submit(asyncio.run, calls.run())
        try:
            await_registered(calls, RATE)  # so that the pool has reached its size
            yield calls
        finally:
            calls.stopped = True
            running.result()


def await_registered(calls: Load, more: int) -> None:
    """Return when `more` people were registered; fail after ten seconds."""
    wanted, end = len(calls.registered) + more, time.monotonic() + 10
    while len(calls.registered) < wanted:
        assert time.monotonic() < end, calls
        time.sleep(0.01)


def refuse_connections(database: Database) -> None:
    """End all sessions and refuse new ones for a time."""
    database.stop()
    time.sleep(AWAY)
    database.resume()


def hold_connections(database: Database) -> None:
    """End all sessions, and suspend the postmaster, so that new connections are not answered for a time."""
    with psycopg.connect(database.admin, autocommit=True) as admin:
        (first, *_) = admin.execute("SELECT pg_read_file('postmaster.pid')").fetchone() or ("",)
        postmaster = int(first.splitlines()[0])
        os.kill(postmaster, signal.SIGSTOP)
        try:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database.name,)
            )
            time.sleep(AWAY)
        finally:
            os.kill(postmaster, signal.SIGCONT)


def end_sessions(database: Database) -> None:
    """End all sessions; new ones are accepted at once."""
    database.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database.name}'")


@pytest.mark.parametrize(
    ("interrupt", "away"), [(refuse_connections, AWAY), (hold_connections, AWAY), (end_sessions, 0)]
)
def test_short_outage_fails_no_call(
    database: Database, server: Server, interrupt: Callable[[Database], None], away: float
) -> None:
    """During short outages no call fails or is lost, and the delay is bounded."""
    with load(server) as calls:
        for _ in range(5):
            interrupt(database)
            await_registered(calls, RATE // 2)

    assert not calls.failed
    assert calls.longest < away + PROMPT, calls.longest
    with psycopg.connect(database.url("owner")) as connection:
        stored = [address for (address,) in connection.execute("SELECT email FROM users")]
    assert sorted(stored) == sorted(calls.registered)
    print(f"{interrupt.__name__}: {calls.made} calls, the longest {calls.longest * 1000:.0f} ms")


def test_short_outage_keeps_health(database: Database, server: Server) -> None:
    """The health status does not change during short outages."""
    users = UsersServiceStub(server.channel)
    for _ in range(5):
        refuse_connections(database)
        users.ListUsers(pb.ListUsersRequest(), timeout=5)  # the database is available again

    server.await_health(SERVING)
    assert "not ready" not in server.log.read_text()
