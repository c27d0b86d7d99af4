"""A database with the roles Freehold creates, and a running server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import psycopg
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from psycopg import sql

from users import schema

PASSWORD = "correct-horse"  # the socket needs no password; tests search the logs for this one
SERVING = 1


@dataclass(frozen=True)
class Database:
    """An empty database for one test, with its roles."""

    name: str
    admin: str

    def url(self, role: str) -> str:
        """Return the connection URI of a role: owner or app."""
        where = urlsplit(self.admin).query  # the folder and the port of the socket
        return f"postgresql://{self.name}_{role}:{PASSWORD}@/{self.name}?{where}"

    def run(self, statement: str) -> None:
        """Run a statement as the superuser; {} is replaced by the database's name."""
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(self.name)))

    def stop(self) -> None:
        """Refuse connections and end existing ones, as during a restart of the server."""
        self.run("ALTER DATABASE {} ALLOW_CONNECTIONS false")
        self.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self.name}'")

    def resume(self) -> None:
        """Accept connections again."""
        self.run("ALTER DATABASE {} ALLOW_CONNECTIONS true")

    def waiting(self) -> int:
        """Return the number of queries that wait for a lock."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
        with psycopg.connect(self.admin) as connection:
            (count,) = connection.execute(query, (self.name,)).fetchone() or (0,)
        return int(count)

    def await_waiting(self, count: int, within: float) -> None:
        """Return when `count` queries wait for a lock; fail after `within` seconds."""
        end = time.monotonic() + within
        while (waiting := self.waiting()) != count:
            assert time.monotonic() < end, f"{waiting} queries wait for a lock, expected {count}"


def empty_database() -> Database:
    """Create a database without tables."""
    admin = os.environ.get("TEST_DATABASE_URL")
    assert admin, "set TEST_DATABASE_URL, or run the tests as: services/with-postgres .venv/bin/pytest"
    database = Database(f"t{uuid.uuid4().hex[:12]}", admin)
    name = database.name
    database.run(f"CREATE ROLE {name}_owner LOGIN")
    database.run(f"CREATE ROLE {name}_app LOGIN")
    database.run(f"CREATE DATABASE {{}} OWNER {name}_owner")
    with psycopg.connect(database.url("owner")) as connection:
        connection.execute(
            f"ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {name}_app".encode()
        )
    return database


def migrated_database() -> Database:
    """Create a database with the schema of this release."""
    database = empty_database()
    schema.migrate(database.url("owner"), schema.packaged())
    return database


def free_port() -> int:
    """Return a free TCP port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Server:
    """`users serve` in a separate process."""

    def __init__(self, database: Database, log: Path, **more: str) -> None:
        self.port = free_port()
        environment = {"DATABASE_URL": database.url("app"), "GRPC_PORT": str(self.port), **more}
        self.log = log
        with log.open("w") as output:
            self.process = subprocess.Popen([sys.executable, "-m", "users"], env=environment, stdout=output)
        self.channel = grpc.insecure_channel(f"127.0.0.1:{more.get('GRPC_HEALTH_PORT', self.port)}")

    def await_health(self, status: int) -> None:
        """Return when the health service reports `status`; fail after ten seconds."""
        for answer in self.watch():
            if answer.status == status:
                return

    def watch(self) -> Iterator[HealthCheckResponse]:
        """Yield the health status and its changes, for ten seconds at most."""
        stub = HealthStub(self.channel)
        answers: Iterator[HealthCheckResponse] = stub.Watch(  # type: ignore[attr-defined]
            HealthCheckRequest(), timeout=10, wait_for_ready=True
        )
        return answers

    def calls(self) -> list[dict[str, Any]]:
        """Return the log lines of the calls that have ended."""
        lines = map(json.loads, self.log.read_text().splitlines())
        return [line for line in lines if line["message"] == "call"]

    def close(self) -> None:
        """Kill the process."""
        self.channel.close()
        self.process.kill()
        self.process.wait()
