"""The migrations: every SQL file of the folder `migrations`, once, in the order of their names."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import psycopg

from .database import CONNECTION_OPTIONS

FOLDER = Path(__file__).parents[2] / "migrations"
LOCK = 0x6E6F746573
"""The advisory lock that keeps two runs apart ("notes" in ASCII)."""
PATIENCE = 30.0
"""Seconds to wait for a database that is not there yet."""

HISTORY = """
CREATE TABLE IF NOT EXISTS schema_migrations (
  name text PRIMARY KEY,
  applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class MigrationError(Exception):
    """A file could not be applied, and nothing of it was kept. The text says which, and why."""


def packaged() -> dict[str, str]:
    """The SQL of each migration of this release, by file name."""
    return {file.name: file.read_text() for file in FOLDER.glob("*.sql")}


def migrate(url: str, migrations: Mapping[str, str]) -> list[str]:
    """Applies what is missing, each file in a transaction of its own, and returns the names of those.

    Two runs at once wait for each other. Raises MigrationError, and psycopg.OperationalError when there is no
    database.
    """
    with _connect(url) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        # Every later query queues behind a change that waits for its lock: rather fail than stop the service.
        connection.execute("SET lock_timeout = '10s'")
        connection.execute(HISTORY)
        done = {name for (name,) in connection.execute("SELECT name FROM schema_migrations")}
        missing = sorted(set(migrations) - done)
        for name in missing:
            _apply(connection, name, migrations[name])
        return missing


def _apply(connection: psycopg.Connection, name: str, sql: str) -> None:
    try:
        with connection.transaction():
            connection.execute(sql.encode())
            connection.execute("INSERT INTO schema_migrations (name) VALUES (%s)", (name,))
    except psycopg.Error as error:
        raise MigrationError(f"{name}: {error.diag.message_primary or error}") from error


def _connect(url: str) -> psycopg.Connection:
    deadline = time.monotonic() + PATIENCE
    pause = 0.2
    while True:
        try:
            return psycopg.connect(url, autocommit=True, **CONNECTION_OPTIONS)  # type: ignore[arg-type]
        except psycopg.OperationalError:
            if time.monotonic() + pause > deadline:
                raise
        time.sleep(pause)
        pause = min(pause * 2, 3.0)
