"""A connection as role replicator to the server of one instance: what a switch and a door ask servers with.

The server may be gone, or stand still, at any moment. So each question has a bound, and whoever asked goes on without
an answer; libpq has bounds for connecting and for hosts that are lost, and none for a server that says nothing.
"""

from __future__ import annotations

import select
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from freehold.core.engines.postgresql import constants

PASSWORD = Path("/credentials/replicator")
CA_FILE = Path("/certificate/ca.crt")
CONNECT_SECONDS = 2
"""The least that libpq takes."""
ANSWER_SECONDS = 2.0
STATE_QUERY = f"SELECT pg_is_in_recovery(), datallowconn FROM pg_database WHERE datname = '{constants.DATABASE}'"


class LostError(Exception):
    """The server was not reached, gave no answer in time, or ended the connection. What was asked may be done."""


class RefusedError(Exception):
    """The server answered that it does not do it."""


@dataclass(frozen=True)
class State:
    """recovery: whether it is a standby. connections: whether database app allows them, as far as a standby knows."""

    recovery: bool
    connections: bool

    @property
    def is_open(self) -> bool:
        return self.connections and not self.recovery

    @property
    def is_closed(self) -> bool:
        """A primary that no client of the service can connect to."""
        return not self.connections and not self.recovery


class Connection:
    """Connects when first asked something, and again once a connection was lost. One caller at a time."""

    def __init__(self, host: str, who: str) -> None:
        """host: `name` or `name:port`. who: the name under which its sessions are seen on the server."""
        self.host, self._who = host, who
        self._connection: psycopg.Connection[Any] | None = None

    def look(self) -> State:
        """Raises LostError."""
        recovery, connections = self.ask(STATE_QUERY)
        return State(recovery == "t", connections == "t")

    def ask(self, query: str, within: float = ANSWER_SECONDS) -> tuple[str | None, ...]:
        """The first row of the answer, in PostgreSQL's text form; () where there is none. within: seconds, once it is
        connected. Raises LostError, RefusedError."""
        connection = self._connection or self._connect()
        self._connection = connection
        try:
            return _query(connection, query, within)
        except (LostError, psycopg.OperationalError) as error:
            self.close()
            raise LostError(f"{self.host}: {_first_line(error)}") from error

    def close(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None

    def _connect(self) -> psycopg.Connection[Any]:
        name, _, port = self.host.partition(":")
        try:
            return psycopg.connect(
                host=name,
                port=port or constants.PORT,
                user="replicator",
                password=PASSWORD.read_text().strip(),
                dbname="postgres",
                sslmode="verify-full",
                sslrootcert=str(CA_FILE),
                application_name=self._who,
                connect_timeout=CONNECT_SECONDS,
                keepalives_idle=2,
                keepalives_interval=1,
                keepalives_count=3,
                tcp_user_timeout=3000,
                autocommit=True,
            )
        except psycopg.OperationalError as error:
            raise LostError(f"{self.host}: {_first_line(error)}") from error


def _query(connection: psycopg.Connection[Any], query: str, within: float) -> tuple[str | None, ...]:
    line, until = connection.pgconn, time.monotonic() + within
    line.send_query(query.encode())
    found: tuple[str | None, ...] = ()
    refused = ""
    while result := _next(line, until):
        if result.status == ExecStatus.FATAL_ERROR:
            refused = _first_line(result.error_message.decode(errors="replace"))
            if result.error_field(DiagnosticField.SEVERITY_NONLOCALIZED) != b"ERROR":
                raise LostError(refused)  # its last word: it ends the connection
        elif result.ntuples:
            values = (result.get_value(0, column) for column in range(result.nfields))
            found = tuple(None if value is None else value.decode() for value in values)
    if refused:
        raise RefusedError(refused)
    return found


def _next(line: PGconn, until: float) -> PGresult | None:
    """The next part of the answer; None after the last. poll, for select takes no descriptor beyond 1023."""
    readable = select.poll()
    readable.register(line.socket, select.POLLIN)
    while line.is_busy():
        if not readable.poll(max(0.0, until - time.monotonic()) * 1000):
            raise LostError("gave no answer in time")
        line.consume_input()
    return line.get_result()


def _first_line(said: object) -> str:
    return str(said).strip().partition("\n")[0].strip()
