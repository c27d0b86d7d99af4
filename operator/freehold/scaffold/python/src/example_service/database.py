"""The connection pool: small, and back at work as soon as the database is, which no call need notice."""

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
    "connect_timeout": 3,  # seconds; libpq waits for ever otherwise
    "tcp_user_timeout": 3000,  # milliseconds until a peer that vanished counts as gone
    "keepalives_idle": 10,
}
PATIENCE = 2.0
"""Seconds that a statement is tried again: a server that restarts or hands over to another is back within them."""
PAUSE = 0.05
"""Seconds between two attempts."""


def pool(url: str) -> Pool:
    """A pool that is not open yet. Opening it does not wait for the database.

    A connection that could not be made is given up, and begun anew for whoever asks next: the pool's own pauses
    between attempts would outlast the database's absence.
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


async def patiently(pool: Pool, work: Callable[[AsyncConnection], Awaitable[Answer]]) -> Answer:
    """What the work answers. Where its connection ends, it is done again on another one, so it must bear that.

    Raises psycopg.OperationalError where the database does not answer for PATIENCE seconds.
    """
    end = time.monotonic() + PATIENCE
    while True:
        try:
            async with pool.connection() as connection:
                return await work(connection)
        except psycopg.OperationalError:
            if time.monotonic() > end:
                raise
            # Where one connection ended, the idle ones have too. A check would keep the call's own end to itself.
            await asyncio.shield(pool.check())
        await asyncio.sleep(PAUSE)
