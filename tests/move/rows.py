"""Rows of the table of entries, written by the service's role and read by a superuser."""

from __future__ import annotations

from tests.move.machine import wait_until
from tests.move.servers import Server

WRITE = "INSERT INTO entries (id) VALUES (%s)"
ROWS = "SELECT string_agg(id, ' ' ORDER BY number) FROM entries"


def write(server: Server, name: str) -> None:
    with server.connect() as client:
        client.execute(WRITE, (name,))


def follows(server: Server, rows: str) -> None:
    """Assert that a server is a standby with these rows."""
    server.wait_ready()
    assert server.ask("SELECT pg_is_in_recovery()")
    wait_until(lambda: server.ask(ROWS, "app") == rows, f"{server.name} shows {rows}")
    assert not (server.data.parent / "pgdata.unusable").exists()
