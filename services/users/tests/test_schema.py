"""Migrations, on a real database."""

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


def test_a_second_run_finds_nothing_to_do(empty: Database) -> None:
    assert schema.migrate(empty.url("owner"), schema.packaged()) == sorted(schema.packaged())
    assert schema.migrate(empty.url("owner"), schema.packaged()) == []
    assert "users" in tables(empty)


def test_two_runs_at_once_apply_each_file_once(empty: Database) -> None:
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


def test_a_file_that_fails_leaves_nothing_and_says_why(empty: Database) -> None:
    files = {
        "0001_good.sql": "CREATE TABLE good ()",
        "0002_bad.sql": "CREATE TABLE half (); SELECT * FROM absent",
    }

    with pytest.raises(schema.MigrationError, match=r'^0002_bad\.sql: relation "absent" does not exist$'):
        schema.migrate(empty.url("owner"), files)

    assert tables(empty) == {"good", "schema_migrations"}


def test_the_service_may_change_rows_and_no_tables(database: Database) -> None:
    with psycopg.connect(database.url("app"), autocommit=True) as connection:
        connection.execute("INSERT INTO users (name, email) VALUES ('Ada', 'ada@example.org')")
        for statement in (
            b"CREATE TABLE mine ()",
            b"DROP TABLE users",
            b"ALTER TABLE users ADD COLUMN more int",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
