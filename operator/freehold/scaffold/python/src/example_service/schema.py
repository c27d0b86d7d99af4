"""Migrations: each SQL file in the folder `migrations` is applied once, in the order of the file names."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import psycopg

from .database import CONNECTION_OPTIONS

FOLDER = Path(__file__).parents[2] / "migrations"
LOCK = 0x6E6F746573
"""The advisory lock that serializes runs ("notes" in ASCII)."""
PATIENCE = 30.0
"""Seconds to wait for the database to become available."""

HISTORY = """
CREATE TABLE IF NOT EXISTS schema_migrations (
  name text PRIMARY KEY,
  applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class MigrationError(Exception):
    """A file failed and was rolled back; the message has the file name and the cause."""


def packaged() -> dict[str, str]:
    """Return the SQL of each migration of this release, by file name."""
    return {file.name: file.read_text() for file in FOLDER.glob("*.sql")}


def migrate(url: str, migrations: Mapping[str, str]) -> list[str]:
    """Apply the missing migrations, each in its own transaction, and return their names.

    Concurrent runs wait for each other. Raises MigrationError, and psycopg.OperationalError without a database.
    """
    with _connect(url) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        # A schema change that waits for a lock blocks all later queries; failing is better than blocking the service.
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
