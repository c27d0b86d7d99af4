"""The rights of the service's role: what services do beside reading and writing rows, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.move.servers import Lab, Server

FORMER = """
REVOKE TEMPORARY ON DATABASE app FROM app;
ALTER DEFAULT PRIVILEGES FOR ROLE owner REVOKE UPDATE ON SEQUENCES FROM app;
REVOKE UPDATE ON SEQUENCE billing.numbers, public.entries_number_seq FROM app;
"""
"""Takes away the rights that earlier releases did not give."""
SCHEMA = """
CREATE SCHEMA billing;
CREATE SEQUENCE billing.numbers;
CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM entries;
CREATE FUNCTION refresh_totals() RETURNS void LANGUAGE sql SECURITY DEFINER
  SET search_path = public, pg_temp AS 'REFRESH MATERIALIZED VIEW totals';
"""
POSSIBLE = (
    "CREATE TEMP TABLE batch (number bigint, id text); INSERT INTO batch VALUES (7, 'seven'); "
    "INSERT INTO entries SELECT * FROM batch ON CONFLICT (number) DO UPDATE SET id = excluded.id",
    "CREATE TEMP SEQUENCE steps",
    "SELECT setval('entries_number_seq', 10)",
    "SELECT setval('billing.numbers', 10)",
    "LISTEN changes",
    "NOTIFY changes",
    "SELECT pg_advisory_lock(1), pg_advisory_unlock(1), pg_try_advisory_xact_lock(2)",
    "DECLARE lines CURSOR WITH HOLD FOR SELECT 1",
    "SELECT refresh_totals()",
)
REFUSED = (
    "TRUNCATE entries",
    "REFRESH MATERIALIZED VIEW totals",
    "REINDEX TABLE entries",
    "CREATE TABLE mine (id int)",
    "CREATE SCHEMA mine",
)


@pytest.fixture(scope="module")
def server(lab: Lab) -> Iterator[Server]:
    """A server whose tables and sequences exist since an earlier release with fewer rights."""
    made = lab.server()
    try:
        made.start()
        made.wait_ready()
        with made.connect("owner") as owner:
            owner.execute(SCHEMA)
        made.ask(FORMER, "app")
        made.stop()
        made.start()
        made.wait_ready()
        yield made
    finally:
        lab.end()


@pytest.mark.parametrize("statement", POSSIBLE)
def test_roles_service_may(server: Server, statement: str) -> None:
    """The service's role may do what services do as they run."""
    with server.connect() as client:
        client.execute(statement)


def test_roles_service_sets_new_sequence(server: Server) -> None:
    """A sequence of a later migration can be set as well, in any schema."""
    with server.connect("owner") as owner:
        owner.execute("CREATE SEQUENCE billing.later")
    with server.connect() as client:
        client.execute("SELECT setval('billing.later', 10)")


@pytest.mark.parametrize("statement", REFUSED)
def test_roles_service_may_not(server: Server, statement: str) -> None:
    """What belongs to the owner of a table is refused."""
    with server.connect() as client, pytest.raises(psycopg.errors.InsufficientPrivilege):
        client.execute(statement)


def test_roles_service_analyze_skips(server: Server) -> None:
    """ANALYZE of another role's table does nothing but warn."""
    with server.connect() as client:
        said: list[str] = []
        client.add_notice_handler(lambda notice: said.append(str(notice.message_primary)))
        client.execute("ANALYZE entries")
        assert said and ("permission denied" in said[0] or "skipping" in said[0])


def test_roles_withheld_sequence_stays_withheld(server: Server) -> None:
    """A start gives no right on a sequence in another schema that the owner has withheld."""
    with server.connect("owner") as owner:
        owner.execute("CREATE SEQUENCE billing.withheld; REVOKE ALL ON SEQUENCE billing.withheld FROM app")
    server.stop()
    server.start()
    server.wait_ready()
    assert not server.ask("SELECT has_sequence_privilege('app', 'billing.withheld', 'UPDATE')", "app")
