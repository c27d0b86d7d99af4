"""Tests of migrations, with a database."""

from __future__ import annotations

import threading

import psycopg
import pytest
from harness import Database

from users import schema

SLOW = {"0001_a.sql": "CREATE TABLE a (); SELECT pg_sleep(0.3)", "0002_b.sql": "CREATE TABLE b ()"}


def tables(database: Database) -> set[str]:
    with psycopg.connect(database.url("owner")) as connection:
        return {
            name
            for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        }


def test_migrate_twice(empty: Database) -> None:
    """A second run applies nothing."""
    assert schema.migrate(empty.url("owner"), schema.packaged()) == sorted(schema.packaged())
    assert schema.migrate(empty.url("owner"), schema.packaged()) == []
    assert "users" in tables(empty)


def test_migrate_concurrently(empty: Database) -> None:
    """Two concurrent runs apply each file once."""
    applied: list[str] = []
    runs = [
        threading.Thread(target=lambda: applied.extend(schema.migrate(empty.url("owner"), SLOW)))
        for _ in range(2)
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join()

    assert sorted(applied) == sorted(SLOW)


def test_migrate_failed_file(empty: Database) -> None:
    """A failed file is rolled back and reported with its cause."""
    files = {
        "0001_good.sql": "CREATE TABLE good ()",
        "0002_bad.sql": "CREATE TABLE half (); SELECT * FROM absent",
    }

    with pytest.raises(schema.MigrationError, match=r'^0002_bad\.sql: relation "absent" does not exist$'):
        schema.migrate(empty.url("owner"), files)

    assert tables(empty) == {"good", "schema_migrations"}


def test_service_role_rights(database: Database) -> None:
    """The service's role can change rows, but no tables."""
    with psycopg.connect(database.url("app"), autocommit=True) as connection:
        connection.execute("INSERT INTO users (name, email) VALUES ('Ada', 'ada@example.org')")
        for statement in (
            b"CREATE TABLE mine ()",
            b"DROP TABLE users",
            b"ALTER TABLE users ADD COLUMN more int",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
