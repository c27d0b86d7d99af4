"""The connection pool: small, checked before use, and back by itself after the database was away."""

from __future__ import annotations

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

Pool = AsyncConnectionPool[AsyncConnection]

CONNECTION_OPTIONS = {
    "application_name": "users",
    "connect_timeout": 3,  # seconds; libpq waits for ever otherwise
    "tcp_user_timeout": 3000,  # milliseconds until a peer that vanished counts as gone
    "keepalives_idle": 10,
}


def pool(url: str) -> Pool:
    """A pool that is not open yet. Opening it does not wait for the database.

    A caller waits at most a second for a connection; then the call fails and may be tried on another server.
    The pool's own attempts back off without a bound until `reconnect_timeout`, so that is kept short: the
    readiness check asks again every two seconds and starts them afresh.
    """
    return AsyncConnectionPool(
        url,
        kwargs={**CONNECTION_OPTIONS, "autocommit": True},
        min_size=1,
        max_size=8,
        timeout=1.0,
        reconnect_timeout=4.0,
        check=AsyncConnectionPool.check_connection,
        open=False,
        name="database",
    )
