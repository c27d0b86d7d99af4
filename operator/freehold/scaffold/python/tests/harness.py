"""A database as Freehold makes it, and a running server."""

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
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse
from psycopg import sql

from example_service import schema
from example_service.v1.notes_pb2_grpc import NotesServiceStub

PASSWORD = "correct-horse"  # the server trusts its socket; the tests look for this in the logs
SOURCES = str(Path(__file__).parents[1] / "src")
SERVING = 1


@dataclass(frozen=True)
class Database:
    """An empty database of a test's own, and who may connect to it."""

    name: str
    admin: str

    def url(self, role: str) -> str:
        """The connection URI of a role: owner or app."""
        return f"postgresql://{self.name}_{role}:{PASSWORD}@/{self.name}?{urlsplit(self.admin).query}"

    def run(self, statement: str) -> None:
        """Runs a statement as the superuser, with this database's name for {}."""
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(self.name)))

    def go_away(self) -> None:
        """Refuses connections and ends those there are, as a server that stops does."""
        self.run("ALTER DATABASE {} ALLOW_CONNECTIONS false")
        self.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self.name}'")

    def come_back(self) -> None:
        """Takes connections again."""
        self.run("ALTER DATABASE {} ALLOW_CONNECTIONS true")

    def waiting(self) -> int:
        """How many queries wait for a lock."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
        with psycopg.connect(self.admin) as connection:
            (count,) = connection.execute(query, (self.name,)).fetchone() or (0,)
        return int(count)

    def await_waiting(self, count: int) -> None:
        """Returns once that many queries wait for a lock; fails after three seconds."""
        end = time.monotonic() + 3
        while (waiting := self.waiting()) != count:
            assert time.monotonic() < end, f"{waiting} queries wait for a lock, {count} should"


def empty_database() -> Database:
    """A database without tables."""
    admin = os.environ.get("TEST_DATABASE_URL")
    assert admin, "set TEST_DATABASE_URL, or run the tests as: ./with-postgres pytest"
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
    """A database with the schema of this release."""
    database = empty_database()
    schema.migrate(database.url("owner"), schema.packaged())
    return database


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Server:
    """The service in a process of its own."""

    def __init__(self, database: Database, log: Path, **more: str) -> None:
        port = free_port()
        environment = {"DATABASE_URL": database.url("app"), "GRPC_PORT": str(port), "PYTHONPATH": SOURCES}
        command = [sys.executable, "-m", schema.__package__]
        self.log = log
        with log.open("w") as output:
            self.process = subprocess.Popen(command, env={**environment, **more}, stdout=output)
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.notes = NotesServiceStub(self.channel)

    def await_health(self, status: int) -> None:
        """Returns once the health service says so; fails after ten seconds."""
        for answer in self.watch():
            if answer.status == status:
                return

    def watch(self) -> Iterator[HealthCheckResponse]:
        """What the health service says, now and whenever it changes; for ten seconds at most."""
        stub = HealthStub(self.channel)
        answers: Iterator[HealthCheckResponse] = stub.Watch(  # type: ignore[attr-defined]
            HealthCheckRequest(), timeout=10, wait_for_ready=True
        )
        return answers

    def reflected(self, version: str) -> list[str]:
        """The services that it says it has."""
        ask = self.channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=ServerReflectionRequest.SerializeToString,
            response_deserializer=ServerReflectionResponse.FromString,
        )
        asked = iter([ServerReflectionRequest(list_services="")])
        (answer,) = ask(asked, timeout=5, wait_for_ready=True)
        return [service.name for service in answer.list_services_response.service]

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def close(self) -> None:
        """Ends the process, however it is."""
        self.channel.close()
        self.process.kill()
        self.process.wait()
