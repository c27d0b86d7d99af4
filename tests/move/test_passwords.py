"""The passwords of a server's roles: how they reach the server, and what a change of them ends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.move.machine import postgresql_programs, wait_until
from tests.move.servers import PASSWORDS, Lab, Server


@pytest.fixture
def server(lab: Lab) -> Iterator[Server]:
    made = lab.server()
    try:
        yield made
    finally:
        lab.end()


def test_passwords_in_no_statement(server: Server) -> None:
    """Roles are set by SCRAM verifiers; no statement contains a password."""
    statements = server.folder / "tmp/statements"
    shim = server.folder / "bin/psql"
    shim.write_text(f'#!/bin/sh\nexec {postgresql_programs()}/psql --echo-hidden --log-file={statements} "$@"\n')
    shim.chmod(0o755)
    server.start()
    server.wait_ready()
    sent = statements.read_text()
    if server.ask("SELECT current_setting('server_version_num')::int < 170000"):  # later, psql echoes no such statement
        assert sent.count("SCRAM-SHA-256$") >= 3
    assert server.ask("SELECT bool_and(rolpassword LIKE 'SCRAM-SHA-256$%') FROM pg_authid WHERE rolcanlogin")
    assert not any(password in sent for password in PASSWORDS.values())
    assert "Enter" not in server.log, "the prompts are not in the pod's log"
    for role in ("app", "owner", "replicator"):
        server.connect(role).close()


def change_password(server: Server, role: str, password: str) -> None:
    """Change a password in the Secret, as mounted in the pods."""
    (server.lab.folder / "credentials" / role).write_text(password)


@pytest.fixture
def running(server: Server) -> Iterator[Server]:
    """A server; afterwards the lab has its first passwords again."""
    server.start()
    server.wait_ready()
    yield server
    for role, password in PASSWORDS.items():
        change_password(server, role, password)


@pytest.fixture
def lent(running: Server) -> psycopg.Connection[Any]:
    """A session of role replicator."""
    return running.connect("replicator")


def looks(server: Server) -> list[str]:
    """The script's queries for the server's state, as logged."""
    return re.findall("connection authorized: user=postgres", server.log)


def refuses(server: Server, password: str, role: str = "replicator") -> bool:
    try:
        server.connect(role, password=password).close()
    except psycopg.OperationalError:
        return True
    return False


def test_passwords_change_ends_sessions(running: Server, lent: psycopg.Connection[Any]) -> None:
    """A changed password of the replication role ends its sessions and refuses the old password; others stay."""
    server = running
    server.ask("ALTER ROLE replicator PASSWORD 'its own'")
    with server.connect() as client:
        started = server.ask("SELECT pg_postmaster_start_time()")
        change_password(server, "replicator", "another")
        wait_until(lambda: not refuses(server, "another"), "the password is set")
        assert refuses(server, PASSWORDS["replicator"]) and refuses(server, "its own")
        with pytest.raises(psycopg.OperationalError):
            lent.execute("SELECT freehold.fence()")
        assert client.execute("SELECT 1").fetchone() == (1,)
        assert server.ask("SELECT pg_postmaster_start_time()") == started
    assert server.is_open()


def test_passwords_of_lost_secret(running: Server) -> None:
    """New passwords of all roles reach a running server, whose sessions and data stay."""
    server = running
    with server.connect() as client:
        started = server.ask("SELECT pg_postmaster_start_time()")
        for role in PASSWORDS:
            change_password(server, role, f"new {role}")
        for role in ("app", "owner", "replicator"):
            wait_until(lambda role=role: not refuses(server, f"new {role}", role), f"the password of {role} is set")  # type: ignore[misc]
            assert refuses(server, PASSWORDS[role], role)
        assert client.execute("SELECT 1").fetchone() == (1,)
        assert server.ask("SELECT pg_postmaster_start_time()") == started


def test_passwords_unchanged_keep_sessions(running: Server, lent: psycopg.Connection[Any]) -> None:
    """A replication session goes on while the roles are set with its own password, as at the start of a source."""
    change_password(running, "app", "another")
    wait_until(lambda: not refuses(running, "another", "app"), "the password is set")
    assert lent.execute("SELECT 1").fetchone() == (1,)


def test_passwords_kept_while_fenced(running: Server, lent: psycopg.Connection[Any]) -> None:
    """A switchover that has begun keeps its password; the change follows once the server is unfenced."""
    server = running
    server.ask("ALTER SYSTEM SET log_connections = on")
    server.ask("SELECT pg_reload_conf()")
    lent.execute("SELECT freehold.fence()")
    change_password(server, "replicator", "another")
    rounds = len(looks(server))
    wait_until(lambda: len(looks(server)) > rounds + 1, "the server has looked at its state again")
    assert lent.execute("SELECT 1").fetchone() == (1,)
    lent.execute("SELECT freehold.unfence()")
    wait_until(lambda: not refuses(server, "another"), "the password is set")


@pytest.mark.parametrize("hold", ["SELECT freehold.fence()", "SELECT FROM pg_roles"])
def test_passwords_change_not_delayed(running: Server, lent: psycopg.Connection[Any], hold: str) -> None:
    """A session that holds a transaction open does not keep the old password."""
    lent.execute("BEGIN")
    lent.execute(hold)
    change_password(running, "replicator", "another")
    wait_until(lambda: not refuses(running, "another"), "the password is set")
    with pytest.raises(psycopg.OperationalError):
        lent.execute("COMMIT")
    assert running.is_open()


def test_passwords_standby_follows(running: Server) -> None:
    """A standby uses the changed password without a restart."""
    server = running
    standby = server.lab.server(copied=False)
    standby.start(follow=server)
    standby.wait_ready()
    started = standby.ask("SELECT pg_postmaster_start_time()")
    change_password(server, "replicator", "another")
    wait_until(lambda: not refuses(server, "another"), "the password is set")
    position = server.ask("SELECT pg_current_wal_flush_lsn()::text")
    replayed = f"SELECT pg_last_wal_replay_lsn() >= '{position}' AND EXISTS (SELECT FROM pg_stat_wal_receiver)"
    wait_until(lambda: standby.ask(replayed), "the standby follows")
    assert standby.ask("SELECT pg_postmaster_start_time()") == started
