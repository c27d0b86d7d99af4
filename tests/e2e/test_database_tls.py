"""Access to a database server: TLS 1.3 and the right password only, and no privileges beyond rows.

Every attempt is made by libpq inside the service's pod, with the service's DATABASE_URL.
"""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from freehold.kube.certificate_authority import generate

from tests.e2e.support.cluster import Object, Space
from tests.e2e.support.database_programs import CROWD, IDLE, LEFT, RENEWED_WITHIN, STEADY
from tests.e2e.support.database_sessions import SERVICE, attempt, decoded, query, read_line, secret_of, serial_number
from tests.e2e.support.microservices import database, users
from tests.e2e.support.pod_exec import python, started

CONNECTIONS = 12
ADMITTED = 2 * CONNECTIONS
"""The connections that the server admits, so that new pods can connect in a rollout."""
LIMITS = {"connections": CONNECTIONS, "statementTimeout": "1s", "idleInTransactionTimeout": "1s"}
SERVER = "pod/users-database-0"
SYSTEM = "nspname like 'pg\\_%' or nspname = 'information_schema'"


@pytest.fixture(scope="module")
def yard(yard: Space) -> Space:
    yard.apply(users(database=database("users", limits=LIMITS)))
    yard.until_ready("users")
    return yard


def test_database_tls_accepted(yard: Space) -> None:
    """The service connects with its DATABASE_URL over TLS 1.3."""
    assert attempt(yard) == "connected"
    version = "select version || ' ' || ssl from pg_stat_ssl where pid = pg_backend_pid()"
    assert query(yard, version) == ["TLSv1.3 true"]


REFUSED: dict[str, tuple[Object, str]] = {
    "plaintext": ({"sslmode": "disable"}, "no encryption"),
    "TLS 1.2": ({"ssl_min_protocol_version": "TLSv1.2", "ssl_max_protocol_version": "TLSv1.2"}, "protocol version"),
    "a wrong password": ({"password": "guessed"}, "password authentication failed"),
    "no password": ({"password": ""}, "password"),
    "another database": ({"dbname": "postgres"}, "pg_hba.conf rejects connection"),
    "a role nobody made": ({"user": "users"}, "pg_hba.conf rejects connection"),
    "a name that is not the server's": ({"host": "users-database-nodes"}, "does not match host name"),
}
"""The difference of an attempt from DATABASE_URL, and a part of the error."""


@pytest.mark.parametrize("what", REFUSED)
def test_database_tls_refused(yard: Space, what: str) -> None:
    """The server or the client refuses every connection that differs from DATABASE_URL in one point."""
    given, says = REFUSED[what]
    assert says in attempt(yard, **given)


def test_database_tls_address(yard: Space) -> None:
    """A connection to the pod's IP address fails on the certificate's host name."""
    said = attempt(yard, host=yard.get(SERVER)["status"]["podIP"])
    assert "does not match host name" in said


def test_database_tls_other_authority(yard: Space) -> None:
    """A client that trusts another certificate authority rejects the server."""
    said = attempt(yard, authority=generate(datetime.now(UTC))["ca.crt"])
    assert "certificate verify failed" in said


def test_database_tls_superuser_refused(yard: Space) -> None:
    """The superuser cannot connect over the network, to any database, even with the right password."""
    password = secret_of(yard, "users-database-server")["postgres"]
    for name in ("app", "postgres", "template1"):
        said = attempt(yard, user="postgres", dbname=name, password=password)
        assert "pg_hba.conf rejects connection" in said and 'user "postgres"' in said


def test_database_tls_only_scram(yard: Space) -> None:
    """pg_hba.conf admits no method weaker than SCRAM over TLS, and every stored password is a SCRAM verifier."""
    columns = "type, database[1], user_name[1], auth_method"
    rules = f"select {columns} from pg_hba_file_rules where error is null order by line_number"
    assert yard.psql("users", rules).splitlines() == [
        "local|all|postgres|peer",
        "hostssl|app|app|scram-sha-256",
        "hostssl|app|owner|scram-sha-256",
        "hostssl|postgres|replicator|scram-sha-256",
        "hostssl|replication|replicator|scram-sha-256",
        "host|all|all|reject",
    ]
    stored = "select rolname from pg_authid where rolcanlogin and coalesce(rolpassword, '') not like 'SCRAM-SHA-256$%'"
    assert yard.psql("users", stored) == ""
    assert yard.psql("users", "show password_encryption") == "scram-sha-256"
    assert yard.psql("users", "show ssl_min_protocol_version") == "TLSv1.3"


def test_database_roles_minimal(yard: Space) -> None:
    """The roles have no more attributes, memberships and objects than necessary."""
    powers = " or ".join(f"rol{power}" for power in ("super", "createdb", "createrole", "bypassrls"))
    assert yard.psql("users", f"select rolname from pg_roles where ({powers}) and rolname !~ '^pg_'") == "postgres"
    copies = "select rolname from pg_roles where rolreplication and not rolsuper"
    assert yard.psql("users", copies) == "replicator"
    assert yard.psql("users", "select has_database_privilege('replicator', 'app', 'CONNECT')") == "f"
    members = "select roleid::regrole, member::regrole from pg_auth_members where member in ('app'::regrole::oid,"
    assert yard.psql("users", f"{members} 'owner'::regrole::oid)") == ""
    owned = "select classid::regclass from pg_shdepend where refobjid = 'app'::regrole and deptype = 'o'"
    assert yard.psql("users", owned) == ""


def test_database_service_rows_only(yard: Space) -> None:
    """The service's role reads and writes rows, with temporary tables of its own, and changes no object of others."""
    said = query(
        yard,
        "select count(*) from users",
        "create table mine (id int)",
        "create schema mine",
        "create role mine",
        "alter table users add column mine int",
        "truncate users",
        "drop table users",
        "select pg_read_file('/credentials/owner')",
        "copy (select 1) to program 'id'",
        "set role owner",
        "alter role app connection limit 99",
    )
    assert said[0] == "0"
    assert len(said) == 11
    assert [line for line in said[1:] if not re.search("permission denied|must be (owner|superuser)", line)] == []


def test_database_public_has_nothing(yard: Space) -> None:
    """PUBLIC, the role that includes all others, has no privileges, neither on present nor on future objects."""
    connects = "has_database_privilege('public', datname, 'CONNECT, TEMPORARY, CREATE')"
    assert yard.psql("users", f"select datname from pg_database where datallowconn and {connects}") == ""
    schemas = "has_schema_privilege('public', nspname, 'USAGE, CREATE')"
    assert yard.psql("users", f"select nspname from pg_namespace where {schemas} and not ({SYSTEM})") == ""

    made = "create table t (id serial); create type mood as enum ('well'); create function f() returns int language sql"
    yard.psql("users", f"set role owner; {made} as 'select 1'; create schema more; create table more.t ()")
    try:
        held = {
            "has_function_privilege({role}, 'f()', 'EXECUTE')",
            "has_type_privilege({role}, 'mood', 'USAGE')",
            "has_table_privilege({role}, 't', 'SELECT')",
            "has_table_privilege({role}, 'more.t', 'SELECT')",
            "has_sequence_privilege({role}, 't_id_seq', 'USAGE')",
            "has_schema_privilege({role}, 'more', 'USAGE')",
        }
        for role, expected in (("'public'", "f"), ("'app'", "t")):
            asked = ", ".join(sorted(held)).format(role=role)
            assert set(yard.psql("users", f"select {asked}").split("|")) == {expected}, role
    finally:
        yard.psql("users", "drop schema more cascade; drop function f(); drop table t; drop type mood")


def test_database_statement_timeout(yard: Space) -> None:
    """The statement timeout ends statements of the service and not of a migration."""
    long = "select 'slept' from pg_sleep(1.5)"
    assert query(yard, long) == ["canceling statement due to statement timeout"]

    owner = {"user": "owner", "password": secret_of(yard, "users-database-owner")["password"]}
    assert query(yard, long, "show statement_timeout", **owner) == ["slept", "0"]


def test_database_idle_transaction(yard: Space) -> None:
    """The server ends an idle transaction of the service."""
    told, why = python(yard, SERVICE, IDLE).splitlines()[:2]
    assert (told, why) == ("told", "terminating connection due to idle-in-transaction timeout")


def test_database_connection_limit(yard: Space) -> None:
    """The service cannot exceed its connection limit, and migrations can connect at that limit."""
    assert yard.psql("users", "select rolconnlimit from pg_roles where rolname = 'app'") == str(ADMITTED)
    crowd = started(yard, SERVICE, f"{CROWD}\nprint(flush=True)\ninput()")
    try:
        held, _, said = read_line(crowd).partition(" ")
        # The service's own pool holds one connection or more.
        assert 0 < int(held) < ADMITTED
        assert 'too many connections for role "app"' in said
        owner = {"user": "owner", "password": secret_of(yard, "users-database-owner")["password"]}
        # Migrations connect as owner, which the limit does not include.
        assert attempt(yard, **owner) == "connected"
    finally:
        crowd.communicate("\n", timeout=30)


def test_database_tls_renewed(yard: Space) -> None:
    """The running server loads a renewed certificate, and no query fails meanwhile."""
    before = yard.get(SERVER)
    steady = started(yard, SERVICE, STEADY)
    try:
        assert read_line(steady) == "going"
        yard.kubectl("delete", "secret", "users-database-tls")
        old, new, queries, failed = json.loads(read_line(steady))
    finally:
        steady.kill()
        steady.wait()

    assert failed == []
    assert queries > 4
    assert new != old, f"the server showed its old certificate for {RENEWED_WITHIN} s"
    assert new == serial_number(secret_of(yard, "users-database-tls")["tls.crt"])
    assert _stands(yard.get(SERVER)) == _stands(before)
    yard.until_ready("users")


def test_database_client_gone(yard: Space) -> None:
    """The server ends a query within seconds after its client disappeared."""
    python(yard, SERVICE, LEFT)
    deadline = time.monotonic() + 5
    asked = "select count(*) from pg_stat_activity where query like 'select pg_sleep%'"
    while (running := yard.psql("users", asked)) != "0":  # PostgreSQL has no event for the end of a query
        assert time.monotonic() < deadline, f"{running} still runs"


@pytest.mark.alone
def test_database_passwords_replaced(yard: Space) -> None:
    """After all Secrets with passwords were deleted, the old passwords are refused and the service uses new ones."""
    held = {"app": "users-database", "owner": "users-database-owner"}
    old = {role: secret_of(yard, name)["password"] for role, name in held.items()}
    with yard.cluster.operator_down():
        yard.delete(*(f"secret/{name}" for name in (*held.values(), "users-database-server")))
    yard.until("secret/users-database", lambda live: decoded(live, "password") != old["app"])
    yard.until_condition("users", "DatabaseReady", "True")
    yard.kubectl("rollout", "status", SERVICE, "--timeout=120s")
    yard.until_ready("users")

    for role, password in old.items():
        assert "password authentication failed" in attempt(yard, user=role, password=password)
        fresh_one = secret_of(yard, held[role])["password"]
        assert attempt(yard, user=role, password=fresh_one) == "connected"
    assert query(yard, "select count(*) from users") == ["0"]


def _stands(pod: Object) -> Any:
    return pod["metadata"]["uid"], [status["restartCount"] for status in pod["status"]["containerStatuses"]]
