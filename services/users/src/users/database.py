"""The connection pool: small, and back at work as soon as the database is, which no call need notice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Self, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

Answer = TypeVar("Answer")

CONNECTION_OPTIONS = {
    "application_name": "users",
    "connect_timeout": 3,  # seconds; libpq waits for ever otherwise
    "tcp_user_timeout": 3000,  # milliseconds until a peer that vanished counts as gone
    "keepalives_idle": 10,
}
PATIENCE = 2.0
"""Seconds that a query, or a connection, is tried again: a server that restarts or hands over to another is
back within them. Then the call fails and may be tried on another server."""
PAUSE = 0.05
"""Seconds between two attempts."""


class Connection(AsyncConnection[TupleRow]):
    """One that is made as soon as the database is back; the pool itself would look again after a second."""

    @classmethod
    async def connect(cls, conninfo: str = "", **options: Any) -> Self:  # noqa: ANN401 - psycopg's own
        """Raises psycopg.OperationalError after PATIENCE seconds."""
        return await _patiently(partial(super().connect, conninfo, **options))


Pool = AsyncConnectionPool[Connection]


def pool(url: str) -> Pool:
    """A pool that is not open yet. Opening it does not wait for the database.

    A connection that could not be made is given up, and begun anew for whoever asks next: the pool's own
    pauses between attempts would outlast the database's absence.
    """
    return AsyncConnectionPool(
        url,
        connection_class=Connection,
        kwargs={**CONNECTION_OPTIONS, "autocommit": True},
        min_size=1,
        max_size=8,
        timeout=PATIENCE,
        reconnect_timeout=PAUSE,
        open=False,
        name="database",
    )


async def query(pool: Pool, work: Callable[[Connection], Awaitable[Answer]]) -> Answer:
    """What the work answers, which may be done twice: where its connection ends, it is, on another one.

    Raises psycopg.OperationalError where the database does not answer for PATIENCE seconds.
    """

    async def attempt() -> Answer:
        try:
            async with pool.connection() as connection:
                return await work(connection)
        except psycopg.OperationalError:
            # Where one connection ended, the idle ones have too: new ones for all, now. A check takes being
            # cancelled for a broken connection, and the call would go on.
            await asyncio.shield(pool.check())
            raise

    return await _patiently(attempt)


async def _patiently(attempt: Callable[[], Awaitable[Answer]]) -> Answer:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return await attempt()
        except psycopg.OperationalError:
            if time.monotonic() + PAUSE > end:
                raise
        await asyncio.sleep(PAUSE)
