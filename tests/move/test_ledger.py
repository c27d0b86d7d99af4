"""A move carries everything: a ledger over all kinds of objects, moved and back; what is not carried is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.move.ledger.entries import (
    GAPS,
    KINDS,
    UNUSED,
    check_indexes,
    differences,
    entries,
    fill,
    sequences,
    superuser,
    unchanged,
)
from tests.move.machine import postgresql_programs, wait_until
from tests.move.primary import running
from tests.move.programs import outcome_of, start_switchover
from tests.move.servers import PASSWORDS, Lab, Server

STILL = ("autovacuum=off",)
"""A setting with which no catalogue changes by itself."""


@pytest.fixture
def source(lab: Lab) -> Iterator[Server]:
    with running(lab, STILL) as made:
        yield made


@pytest.fixture
def copy(source: Server) -> Server:
    made = source.lab.server(copied=False)
    made.settings = STILL
    return made


def moved(source: Server, target: Server) -> None:
    """Move from a server to another, and let the former follow."""
    found = outcome_of(start_switchover(source, target))
    assert found["outcome"] == "completed", found
    source.stop()
    source.start(follow=target)
    source.wait_ready()


def set_and_restart(server: Server, name: str, value: str) -> None:
    server.ask(f"ALTER SYSTEM SET {name} = '{value}'")
    server.stop()
    server.start()
    server.wait_ready()


def test_ledger_there_and_back(source: Server, copy: Server) -> None:
    """Every catalogue, row, large object and setting is equal after a move and after the way back."""
    set_and_restart(source, "max_prepared_transactions", "5")
    empty = entries(source)
    fill(source)
    before, counted = entries(source), sequences(source)
    assert unchanged(empty, before) == UNUSED.keys(), "the ledger has each catalogue"
    for name, (query, kinds) in KINDS.items():
        assert {kind for (kind,) in superuser(source, "app").execute(query)} >= set(kinds), name
    copy.start(follow=source)
    copy.wait_ready()
    for old, new in ((source, copy), (copy, source)):
        moved(old, new)
        assert not differences(before, entries(new))
        check_indexes(new)
        after = sequences(new)
        assert all(0 <= after[name] - value <= GAPS for name, value in counted.items()), (counted, after)
    with source.connect("owner") as owner:
        owner.execute("COMMIT PREPARED 'ledger'")
        assert owner.execute("SELECT count(*) FROM ONLY ledger.parent WHERE note = 'prepared'").fetchone() == (1,)


def test_ledger_refused(source: Server, copy: Server) -> None:
    """What a copy would lose is named before the copy begins, and again before a switchover."""
    place = source.folder / "place"
    place.mkdir()
    source.lab.give(place)
    source.ask(f"CREATE TABLESPACE place LOCATION '{place}'")
    source.ask("SELECT pg_create_physical_replication_slot('slot')")
    source.ask("ALTER SYSTEM SET work_mem = '5MB'")
    with source.connect("owner") as owner:
        owner.execute("CREATE UNLOGGED TABLE cache (id bigserial, value text)")
        owner.execute("CREATE UNLOGGED TABLE empty_cache (id bigserial, value text)")
        owner.execute("INSERT INTO cache (value) VALUES ('lost')")
    named = {"replication slot slot", "setting work_mem", "tablespace place", "unlogged table public.cache with rows"}
    if source.ask("SELECT current_setting('server_version_num')::int >= 150000"):
        named.add("unlogged sequence public.cache_id_seq")
    assert set(source.ask("SELECT array_agg(name) FROM freehold.losses() AS name")) == named
    copy.start(follow=source)
    assert copy.ended()
    assert all(name in copy.log for name in named)
    assert not copy.data.exists()

    source.ask("DROP TABLESPACE place")
    source.ask("SELECT pg_drop_replication_slot('slot')")
    source.ask("ALTER SYSTEM RESET work_mem")
    with source.connect("owner") as owner:
        owner.execute("ALTER TABLE cache SET LOGGED")
        copy.start(follow=source)
        copy.wait_ready()
        owner.execute("INSERT INTO empty_cache (value) VALUES ('lost')")
        found = outcome_of(start_switchover(source, copy))
        assert found["outcome"] == "failed" and "unlogged table public.empty_cache with rows" in found["message"]
        assert source.is_open()
        owner.execute("ALTER TABLE empty_cache SET LOGGED")
    moved(source, copy)
    assert copy.ask("SELECT string_agg(value, ' ') FROM (TABLE cache UNION ALL TABLE empty_cache) AS rows", "app")


@pytest.mark.parametrize(
    ("query", "answer", "named"),
    [
        ("actual_version", "c9.99", "collation versions c9.99 here"),
        ("pg_available_extensions", "hstore, citext", "extensions without files here: hstore, citext"),
    ],
)
def test_ledger_image_differs(source: Server, copy: Server, query: str, answer: str, named: str) -> None:
    """A copy with other collation versions, or without an extension's files, is never ready, and its pod says why."""
    shim = copy.folder / "bin/psql"
    local = f'case "$*" in *--host*{query}*) echo "{answer}"; exit;; esac'
    shim.write_text(f'#!/bin/sh\n{local}\nexec {postgresql_programs()}/psql "$@"\n')
    shim.chmod(0o755)
    copy.start(follow=source)
    assert copy.ended() and named in copy.log
    copy.start(follow=source)
    assert copy.ended() and copy.log.count(named) == 2, "the next start of the container ends with the message"


def test_ledger_settings_lowered(source: Server, copy: Server) -> None:
    """A standby that is told lower settings before its primary keeps the higher ones until the primary has them too."""
    copy.settings = (*STILL, "max_connections=30")
    copy.start(follow=source)
    copy.wait_ready()
    assert copy.ask("SHOW max_connections") == "60"
    for server in (source, copy):
        server.settings = (*STILL, "max_connections=30")
        server.stop()
        server.start(follow=source if server is copy else None)
        server.wait_ready()
        wait_until(lambda: copy.ask("SELECT EXISTS (SELECT FROM pg_stat_wal_receiver)"), "the copy follows")
    assert copy.ask("SHOW max_connections") == "30"


def test_ledger_settings_raised(source: Server, copy: Server) -> None:
    """A standby whose primary was told higher settings first restarts with these."""
    copy.start(follow=source)
    copy.wait_ready()
    source.ask("ALTER SYSTEM SET max_worker_processes = 20")
    source.settings = (*STILL, "max_connections=90")
    source.stop()
    source.start()
    source.wait_ready()
    assert copy.ended() and "has settings above this standby's: restarting" in copy.log
    copy.start(follow=source)
    copy.wait_ready()
    assert (copy.ask("SHOW max_connections"), copy.ask("SHOW max_worker_processes")) == ("90", "20")
    moved(source, copy)


def test_ledger_cut_off(source: Server, copy: Server) -> None:
    """A standby that receives nothing restarts, and is not ready until it has caught up."""
    copy.start(follow=source)
    copy.wait_ready()
    source.stop()
    assert copy.ended() and "no WAL has come" in copy.log
    copy.start(follow=source)
    wait_until(lambda: "database system is ready to accept read-only connections" in copy.log, "the copy runs")
    assert not copy.is_ready()
    source.start()
    copy.wait_ready()


def test_ledger_subscription(source: Server, copy: Server) -> None:
    """A subscription goes on at the destination where it was at the source, and back: each row arrives once."""
    publisher = source.lab.server()
    publisher.settings = ("wal_level=logical",)
    publisher.start()
    publisher.wait_ready()
    publisher.ask("ALTER ROLE owner REPLICATION")
    publisher.ask("CREATE PUBLICATION entries FOR TABLE entries", "app")
    where = f"host=127.0.0.1 port={publisher.port} dbname=app user=owner password={PASSWORDS['owner']} sslmode=require"
    source.ask(f"CREATE SUBSCRIPTION entries CONNECTION '{where}' PUBLICATION entries", "app")
    copy.start(follow=source)
    copy.wait_ready()
    rows = "SELECT string_agg(id, ' ' ORDER BY id) FROM entries"
    expected = []
    for number, (old, new) in enumerate(((source, copy), (copy, source))):
        expected.append(f"row{number}")
        with publisher.connect("owner") as client:
            client.execute("INSERT INTO entries (id) VALUES (%s)", (expected[-1],))
        moved(old, new)
        wait_until(lambda new=new: new.ask(rows, "app") == " ".join(expected), f"{new.name} has {expected}")
