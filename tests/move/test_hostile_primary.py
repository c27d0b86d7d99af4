"""A primary of another tenant: what it answers, its settings and its files run nothing in the standby's pod."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.move.machine import wait_until
from tests.move.primary import running
from tests.move.programs import outcome_of, start_switchover
from tests.move.servers import Lab, Server

DIFFERENCE = "pg_wal_lsn_diff"
"""The function that standbys call with the primary's answer."""


@pytest.fixture
def primary(lab: Lab) -> Iterator[Server]:
    with running(lab) as made:
        yield made


@pytest.fixture
def standby(primary: Server) -> Server:
    return primary.lab.server(copied=False)


def touched(standby: Server) -> Path:
    """The file that the primary tries to make in the standby's pod."""
    return standby.folder / "tmp/injected"


def answer_with_sql(primary: Server, standby: Server, schema: str) -> None:
    """Make the primary answer the query for its WAL position with SQL that runs a program, and count the queries."""
    program = f"COPY (SELECT 1) TO PROGRAM ''touch {touched(standby)}''"
    answer = f"0/0'', ''0/0''); {program}; SELECT {DIFFERENCE}(''0/0"
    primary.ask(
        f"""CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC;
        CREATE SEQUENCE evil.asked; GRANT ALL ON evil.asked TO PUBLIC;
        CREATE FUNCTION {schema}.pg_current_wal_flush_lsn() RETURNS text LANGUAGE plpgsql AS
          $$ BEGIN PERFORM nextval('evil.asked'); RETURN '{answer}'; END $$;
        ALTER ROLE replicator IN DATABASE postgres SET search_path = evil, pg_catalog"""
    )


def asked(primary: Server) -> int:
    return int(primary.ask("SELECT last_value FROM evil.asked"))


def test_hostile_search_path(primary: Server, standby: Server) -> None:
    """A function that shadows pg_catalog's for role replicator is not called."""
    answer_with_sql(primary, standby, "evil")
    standby.start(follow=primary)
    standby.wait_ready()
    assert not touched(standby).exists()
    assert asked(primary) == 1, "the sequence is at its start"


def test_hostile_answer(primary: Server, standby: Server) -> None:
    """An answer that is no WAL position is not part of a query, and the standby is not ready."""
    primary.ask(
        "SET allow_system_table_mods = on; ALTER FUNCTION pg_catalog.pg_current_wal_flush_lsn() RENAME TO pg_current"
    )
    answer_with_sql(primary, standby, "pg_catalog")
    standby.start(follow=primary)
    wait_until(lambda: asked(primary) > 5, "the standby has asked several times")
    assert not touched(standby).exists()
    assert not standby.is_ready()


def test_hostile_search_path_switchover(pair: tuple[Server, Server]) -> None:
    """The switchover asks pg_catalog's functions, whatever the role's settings."""
    source, target = pair
    answer_with_sql(source, target, "evil")
    assert outcome_of(start_switchover(source, target))["outcome"] == "completed"


def test_hostile_settings(primary: Server, standby: Server) -> None:
    """Settings that came with the primary's data run no program; those by which rows are searched stay."""
    for setting in ("restore_command", "archive_cleanup_command", "recovery_end_command"):
        primary.ask(f"ALTER SYSTEM SET {setting} = 'touch {touched(standby)}'")
    primary.ask("ALTER SYSTEM SET shared_preload_libraries = 'auto_explain'")
    primary.ask("ALTER SYSTEM SET default_text_search_config = 'pg_catalog.german'")
    with (primary.data / "postgresql.conf").open("a") as configuration:
        configuration.write("include_if_exists = 'other.conf'\nsession_preload_libraries = 'auto_explain'\n")
    primary.ask("CREATE OR REPLACE FUNCTION freehold.losses() RETURNS SETOF text LANGUAGE sql AS 'SELECT NULL LIMIT 0'")
    standby.start(follow=primary)
    standby.wait_ready()
    assert not touched(standby).exists()
    for setting in ("restore_command", "shared_preload_libraries", "session_preload_libraries"):
        assert standby.ask(f"SHOW {setting}") == ""
    assert standby.ask("SHOW default_text_search_config") == "pg_catalog.german"
    files = [(standby.data / name).read_text() for name in ("postgresql.conf", "postgresql.auto.conf")]
    assert not any(word in text for text in files for word in ("include", "command", "preload", "primary_conninfo"))


def test_hostile_role(primary: Server) -> None:
    """Role replicator creates no operators for the superuser's queries, and its own settings end with a restart."""
    for database in ("postgres", "template1"):
        primary.ask("GRANT CREATE ON SCHEMA public TO PUBLIC", database)
    with primary.connect("replicator") as lent:
        lent.execute("ALTER ROLE replicator IN DATABASE postgres SET search_path = public")
    primary.stop()
    primary.start()
    primary.wait_ready()
    with primary.connect("replicator") as lent:
        assert lent.execute("SHOW search_path").fetchone() == ('"$user", public',)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            lent.execute("CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    right = "SELECT has_schema_privilege('replicator', 'public', 'CREATE')"
    assert not primary.ask(right, "template1")
