"""A small connection pool that reconnects within the time of a call when the database is back."""

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
    "connect_timeout": 3,  # seconds; the default of libpq is unlimited
    "tcp_user_timeout": 3000,  # milliseconds until an unresponsive peer counts as lost
    "keepalives_idle": 10,
}
PATIENCE = 2.0
"""Seconds during which queries and connections are retried: enough for a restart or a switchover.
Afterwards the call fails, and the client may retry on another server."""
PAUSE = 0.05
"""Seconds between two attempts."""


class Connection(AsyncConnection[TupleRow]):
    """A connection that is retried every 50 ms; the pool itself would retry after a second."""

    @classmethod
    async def connect(cls, conninfo: str = "", **options: Any) -> Self:  # noqa: ANN401 - psycopg's own
        """Connect; raise psycopg.OperationalError after PATIENCE seconds."""
        return await _retry(partial(super().connect, conninfo, **options))


Pool = AsyncConnectionPool[Connection]


def pool(url: str) -> Pool:
    """Return a closed pool; opening the pool does not wait for the database.

    A failed connection is dropped and the next caller starts a new one: the pool's own pauses between
    attempts are longer than typical outages.
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
    """Return the result of `work`, which is repeated on another connection if its connection fails.

    Raises psycopg.OperationalError if the database is unavailable for PATIENCE seconds.
    """

    async def attempt() -> Answer:
        try:
            async with pool.connection() as connection:
                return await work(connection)
        except psycopg.OperationalError:
            # When one connection fails, the idle ones have failed too; replace all of them now. Shielded: the
            # check would treat a cancellation as a broken connection, and the call would continue.
            await asyncio.shield(pool.check())
            raise

    return await _retry(attempt)


async def _retry(attempt: Callable[[], Awaitable[Answer]]) -> Answer:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return await attempt()
        except psycopg.OperationalError:
            if time.monotonic() + PAUSE > end:
                raise
        await asyncio.sleep(PAUSE)
