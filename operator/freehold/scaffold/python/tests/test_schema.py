"""Migrations, on a real database."""

from __future__ import annotations

import threading

import psycopg
import pytest
from harness import Database

from example_service import schema

SLOW = {"0001_a.sql": "CREATE TABLE a (); SELECT pg_sleep(0.3)", "0002_b.sql": "CREATE TABLE b ()"}


def test_a_second_run_finds_nothing_to_do(empty: Database) -> None:
    assert schema.migrate(empty.url("owner"), schema.packaged()) == ["0001_create_notes.sql"]
    assert schema.migrate(empty.url("owner"), schema.packaged()) == []


def test_two_runs_at_once_apply_each_file_once(empty: Database) -> None:
    applied: list[str] = []
    runs = [threading.Thread(target=lambda: applied.extend(schema.migrate(empty.url("owner"), SLOW))) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()

    assert sorted(applied) == sorted(SLOW)


def test_a_file_that_fails_leaves_nothing_and_says_why(empty: Database) -> None:
    files = {
        "0001_good.sql": "CREATE TABLE good ()",
        "0002_bad.sql": "CREATE TABLE half (); SELECT * FROM absent",
    }

    with pytest.raises(schema.MigrationError, match=r'^0002_bad\.sql: relation "absent" does not exist$'):
        schema.migrate(empty.url("owner"), files)

    with psycopg.connect(empty.url("owner")) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        assert {name for (name,) in found} == {"good", "schema_migrations"}
