"""A small connection pool that reconnects within the time of a call when the database is back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from . import NAME

Answer = TypeVar("Answer")
Pool = AsyncConnectionPool[AsyncConnection]

CONNECTION_OPTIONS = {
    "application_name": NAME,
    "connect_timeout": 3,  # seconds; the default of libpq is unlimited
    "tcp_user_timeout": 3000,  # milliseconds until an unresponsive peer counts as lost
    "keepalives_idle": 10,
}
PATIENCE = 2.0
"""Seconds during which a statement is retried: enough for a restart or a switchover of the database."""
PAUSE = 0.05
"""Seconds between two attempts."""


def pool(url: str) -> Pool:
    """Return a closed pool; opening the pool does not wait for the database.

    A failed connection is dropped and the next caller starts a new one: the pool's own pauses between attempts are
    longer than typical outages.
    """
    return AsyncConnectionPool(
        url,
        kwargs={**CONNECTION_OPTIONS, "autocommit": True},
        min_size=1,
        max_size=8,
        timeout=0.25,
        reconnect_timeout=PAUSE,
        open=False,
        name="database",
    )


async def retry(pool: Pool, work: Callable[[AsyncConnection], Awaitable[Answer]]) -> Answer:
    """Return the result of `work`, which must be idempotent: it is repeated if its connection fails.

    Raises psycopg.OperationalError if the database is unavailable for PATIENCE seconds.
    """
    end = time.monotonic() + PATIENCE
    while True:
        try:
            async with pool.connection() as connection:
                return await work(connection)
        except psycopg.OperationalError:
            if time.monotonic() > end:
                raise
            # When one connection fails, the idle ones have failed too. Shielded: the check would suppress a
            # cancellation.
            await asyncio.shield(pool.check())
        await asyncio.sleep(PAUSE)
