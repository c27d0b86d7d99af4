"""The ledger: an entry for each catalogue, table, sequence and setting of a server, to compare after a move."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from tests.move.servers import Server

HERE = Path(__file__).parent
GAPS = 2 * 32 * 7
"""What a sequence may skip in two moves: the numbers of a WAL record (SEQ_LOG_VALS in sequence.c), by steps of 7."""
CATALOGUES = """SELECT relname FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r'"""
TABLES = """SELECT oid::regclass FROM pg_class WHERE relkind IN ('r', 'm') AND oid >= 16384 AND relispopulated
  AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace)"""
OF_THE_SERVER = [
    *("config_file", "data_directory", "external_pid_file", "hba_file", "ident_file", "port"),
    *("unix_socket_directories", "primary_conninfo", "in_hot_standby", "transaction_read_only"),
    *("max_connections", "shared_memory_size", "shared_memory_size_in_huge_pages"),
]
"""Settings that each server has of its own, by its arguments or its role."""
SETTINGS = "SELECT name, setting FROM pg_settings WHERE name <> ALL (%s)"
INDEXES = """SELECT bt_index_check(indexrelid, true) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
  JOIN pg_am ON pg_am.oid = relam WHERE amname = 'btree' AND indisvalid AND indisready AND relkind = 'i'
  AND relpersistence = 'p'"""
NEWER = (15, 16, 17, 18)
"""Versions of PostgreSQL with objects that earlier versions do not have."""
UNUSED = {
    "pg_seclabel": "labels need a provider, a module that no image has",
    "pg_shseclabel": "labels need a provider, a module that no image has",
    "pg_subscription_rel": "rows come from a publisher: test_ledger_subscription",
    "pg_tablespace": "a move with a tablespace is refused",
}
"""Catalogues in which the ledger has no row of its own, and why."""
KINDS = {
    "relation": ("SELECT DISTINCT relkind::text FROM pg_class WHERE oid >= 16384", "rSivmcfpIt"),
    "persistence": ("SELECT DISTINCT relpersistence::text FROM pg_class WHERE oid >= 16384", "pu"),
    "type": ("SELECT DISTINCT typtype::text FROM pg_type WHERE oid >= 16384", "bcderm"),
    "routine": ("SELECT DISTINCT prokind::text FROM pg_proc WHERE oid >= 16384", "afp"),
    "constraint": ("SELECT DISTINCT contype::text FROM pg_constraint WHERE oid >= 16384", "cfputx"),
    "access method": (
        "SELECT DISTINCT amname::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
        " JOIN pg_am ON pg_am.oid = relam WHERE indexrelid >= 16384",
        ("btree", "hash", "gin", "gist", "spgist", "brin"),
    ),
}
"""Kinds within a catalogue, each of which the ledger has. A window function needs a library."""


def superuser(server: Server, database: str) -> psycopg.Connection[Any]:
    where = {"host": f"{server.folder}/run", "port": server.port, "user": "postgres", "dbname": database}
    return psycopg.connect(**where, autocommit=True, options="-c search_path=pg_catalog")


def fill(server: Server) -> None:
    """Create every kind of object, and a prepared transaction that inserts into ledger.parent."""
    with server.connect("owner") as owner:
        owner.execute((HERE / "owner.sql").read_text())
    with superuser(server, "app") as connection:
        connection.execute((HERE / "superuser.sql").read_text())
        for version in NEWER:
            if connection.info.server_version // 10000 >= version:
                connection.execute((HERE / f"since-{version}.sql").read_text())
        connection.execute("CREATE DATABASE another TEMPLATE template0")
    with superuser(server, "another") as connection:
        connection.execute("CREATE TABLE public.rows AS SELECT generate_series(1, 10)")
    with server.connect("owner") as owner:
        _leave_invalid_index(owner)
        owner.execute("BEGIN; INSERT INTO ledger.parent VALUES (99, 'prepared'); PREPARE TRANSACTION 'ledger'")


def _leave_invalid_index(owner: psycopg.Connection[Any]) -> None:
    try:
        owner.execute("CREATE UNIQUE INDEX CONCURRENTLY invalid ON ledger.parted_rest (region)")
    except psycopg.errors.UniqueViolation:
        return
    raise AssertionError("the index is valid")


def entries(server: Server) -> dict[str, Any]:
    """Return the entries by name."""
    with superuser(server, "postgres") as connection:
        names = "SELECT datname FROM pg_database WHERE NOT datistemplate AND datallowconn"
        databases = [name for (name,) in connection.execute(names).fetchall()]
    return {name: entry for database in databases for name, entry in _of_database(server, database)}


def _of_database(server: Server, database: str) -> Iterator[tuple[str, Any]]:
    with superuser(server, database) as connection:
        for (name,) in connection.execute(CATALOGUES).fetchall():
            yield f"{database}: catalogue {name}", _rows(connection, f"pg_catalog.{name}")
        for (name,) in connection.execute(TABLES).fetchall():
            yield f"{database}: table {name}", _rows(connection, name)
        for name, setting in connection.execute(SETTINGS, (OF_THE_SERVER,)).fetchall():
            yield f"{database}: setting {name}", setting
        origins = "SELECT external_id, remote_lsn FROM pg_replication_origin_status ORDER BY 1"
        yield f"{database}: replication origins", connection.execute(origins).fetchall()
        yield f"{database}: prepared transactions", _rows(connection, "pg_prepared_xacts")


def _rows(connection: psycopg.Connection[Any], table: str) -> frozenset[tuple[str, int]]:
    """Return the rows of a table as text, with the number of equal rows."""
    return frozenset(connection.execute(f"SELECT t::text, count(*) FROM {table} AS t GROUP BY 1").fetchall())


def sequences(server: Server) -> dict[str, int]:
    """Return the last value of each permanent sequence of database app."""
    with superuser(server, "app") as connection:
        names = "SELECT oid::regclass FROM pg_class WHERE relkind = 'S' AND relpersistence = 'p'"
        found = [name for (name,) in connection.execute(names).fetchall()]
        return {name: connection.execute(f"SELECT last_value FROM {name}").fetchall()[0][0] for name in found}


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return what differs, one line an entry."""
    lines = []
    for name in sorted(before.keys() | after.keys()):
        one, two = before.get(name), after.get(name)
        if one != two and isinstance(one, frozenset) and isinstance(two, frozenset):
            one, two = sorted(one - two)[:2], sorted(two - one)[:2]
        if one != two:
            lines.append(f"{name}: {one} -> {two}")
    return lines


def unchanged(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """Return the catalogues of database app that have the same rows in both."""
    names = [name for name in before if name.startswith("app: catalogue")]
    return {name.rpartition(" ")[2] for name in names if before[name] == after[name]}


def check_indexes(server: Server) -> None:
    """Assert that each B-tree index has each row of its table, in order."""
    with superuser(server, "app") as connection:
        connection.execute("SET search_path = ledger, pg_catalog")
        assert len(connection.execute(INDEXES).fetchall()) > 10
