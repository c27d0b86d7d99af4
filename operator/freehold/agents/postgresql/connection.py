"""A connection to the server of one instance as role replicator, for the switchover and the database proxy.

A server may end or hang at any moment, so each query has a time limit; libpq limits only connecting and lost hosts.
The server may be another tenant's: names mean the objects of pg_catalog, an answer is never part of a query's text, and
an answer of another form than expected is an error of the query.
"""

from __future__ import annotations

import select
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from freehold.core.engines.postgresql import constants

PASSWORD = Path("/credentials/replicator")
CA_FILE = Path("/certificate/ca.crt")
CONNECT_SECONDS = 2
"""The minimum that libpq accepts."""
ANSWER_SECONDS = 2.0
OPTIONS = "-c search_path=pg_catalog"
LONGEST_LINE = 200
"""Characters of a server's error message that are repeated."""
STATE_QUERY = f"SELECT pg_is_in_recovery(), datallowconn FROM pg_database WHERE datname = '{constants.DATABASE}'"


class ConnectionLostError(Exception):
    """The server was unreachable, gave no answer in time, or ended the connection. The query may have been executed."""


class QueryFailedError(Exception):
    """The server answered with an error."""


@dataclass(frozen=True)
class State:
    """The state of a server. in_recovery: whether the server is a standby. connections_allowed: whether database app
    allows connections, as far as a standby has replayed."""

    in_recovery: bool
    connections_allowed: bool

    @property
    def is_writable(self) -> bool:
        """Whether the server is an unfenced primary."""
        return self.connections_allowed and not self.in_recovery

    @property
    def is_fenced(self) -> bool:
        """Whether the server is a fenced primary."""
        return not self.connections_allowed and not self.in_recovery


class Connection:
    """A connection that is opened by the first query, and again after a loss. For one caller at a time."""

    def __init__(self, host: str, application_name: str) -> None:
        """host: as `host_and_port` takes it. application_name: the name of the sessions in pg_stat_activity."""
        self.host, self._application_name = host, application_name
        self._connection: psycopg.Connection[Any] | None = None

    def state(self) -> State:
        """Query the state of the server. Raises ConnectionLostError, QueryFailedError."""
        match self.query(STATE_QUERY):
            case (in_recovery, connections_allowed):
                return State(in_recovery == "t", connections_allowed == "t")
            case row:
                raise QueryFailedError(f"{self.host}: {len(row)} columns instead of 2")

    def value(self, query: str, *parameters: str | None, timeout: float = ANSWER_SECONDS) -> str | None:
        """Return the first value of the answer; None without rows. As `query` otherwise."""
        return next(iter(self.query(query, *parameters, timeout=timeout)), None)

    def query(self, query: str, *parameters: str | None, timeout: float = ANSWER_SECONDS) -> tuple[str | None, ...]:
        """Return the first row of the answer in PostgreSQL's text format; () without rows.

        parameters: of the query, named $1 to $n. timeout: seconds, once connected. Raises ConnectionLostError,
        QueryFailedError.
        """
        connection = self._connection or self._connect()
        self._connection = connection
        try:
            return _query(connection, query, parameters, timeout)
        except (ConnectionLostError, psycopg.OperationalError) as error:
            self.close()
            raise ConnectionLostError(f"{self.host}: {_first_line(error)}") from error

    def close(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None

    def _connect(self) -> psycopg.Connection[Any]:
        name, port = host_and_port(self.host)
        try:
            return psycopg.connect(
                host=name,
                port=port,
                user="replicator",
                password=PASSWORD.read_text().strip(),
                dbname="postgres",
                sslmode="verify-full",
                sslrootcert=str(CA_FILE),
                options=OPTIONS,
                application_name=self._application_name,
                connect_timeout=CONNECT_SECONDS,
                keepalives_idle=2,
                keepalives_interval=1,
                keepalives_count=3,
                tcp_user_timeout=3000,
                autocommit=True,
            )
        except psycopg.OperationalError as error:
            raise ConnectionLostError(f"{self.host}: {_first_line(error)}") from error


def host_and_port(text: str) -> tuple[str, int]:
    """Return host and port of `host` or `host:port`; an IPv6 address is in brackets (RFC 3986, 3.2.2)."""
    parts = urlsplit(f"//{text}")
    return parts.hostname or "", parts.port or constants.PORT


def _query(
    connection: psycopg.Connection[Any], query: str, parameters: tuple[str | None, ...], timeout: float
) -> tuple[str | None, ...]:
    pgconn, deadline = connection.pgconn, time.monotonic() + timeout
    pgconn.send_query_params(query.encode(), [None if value is None else value.encode() for value in parameters])
    row: tuple[str | None, ...] = ()
    failure = ""
    while result := _next_result(pgconn, deadline):
        if result.status == ExecStatus.FATAL_ERROR:
            failure = _first_line(result.error_message.decode(errors="replace"))
            if result.error_field(DiagnosticField.SEVERITY_NONLOCALIZED) != b"ERROR":
                raise ConnectionLostError(failure)  # FATAL or PANIC: the server ends the connection
        elif result.ntuples:
            values = (result.get_value(0, column) for column in range(result.nfields))
            row = tuple(None if value is None else value.decode(errors="replace") for value in values)
    if failure:
        raise QueryFailedError(failure)
    return row


def _next_result(pgconn: PGconn, deadline: float) -> PGresult | None:
    """Return the next result of a query; None after the last. Uses poll, since select takes no descriptor over 1023."""
    readable = select.poll()
    readable.register(pgconn.socket, select.POLLIN)
    while pgconn.is_busy():
        if not readable.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise ConnectionLostError("gave no answer in time")
        pgconn.consume_input()
    return pgconn.get_result()


def _first_line(text: object) -> str:
    return "".join(filter(str.isprintable, str(text).strip().partition("\n")[0].strip()[:LONGEST_LINE]))
