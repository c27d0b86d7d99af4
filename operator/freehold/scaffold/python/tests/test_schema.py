"""Tests of migrations, with a database."""

from __future__ import annotations

import threading

import psycopg
import pytest
from harness import Database

from example_service import schema

SLOW = {"0001_a.sql": "CREATE TABLE a (); SELECT pg_sleep(0.3)", "0002_b.sql": "CREATE TABLE b ()"}


def test_migrate_twice(empty: Database) -> None:
    """A second run applies nothing."""
    assert schema.migrate(empty.url("owner"), schema.packaged()) == ["0001_create_notes.sql"]
    assert schema.migrate(empty.url("owner"), schema.packaged()) == []


def test_migrate_concurrently(empty: Database) -> None:
    """Two concurrent runs apply each file once."""
    applied: list[str] = []
    runs = [threading.Thread(target=lambda: applied.extend(schema.migrate(empty.url("owner"), SLOW))) for _ in range(2)]
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

    with psycopg.connect(empty.url("owner")) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        assert {name for (name,) in found} == {"good", "schema_migrations"}
