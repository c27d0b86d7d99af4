"""PostgreSQL servers as in their pods: start.sh as shipped, with other folders and another entrypoint."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from freehold.core.engines.postgresql.engine import SOURCES

from tests.move.machine import (
    PATIENCE_SECONDS,
    ROOT,
    below,
    free_port,
    postgresql_programs,
    runs,
    server_user,
    wait_until,
    write_certificate,
)

SHIPPED = ROOT / "operator/freehold/core/engines/postgresql"
ENTRYPOINT = ROOT / "localcluster/images/postgres/docker-entrypoint.sh"
PASSWORDS = {"app": "of-app", "owner": "of-owner", "postgres": "of-postgres", "replicator": r"of:replicator\too"}
SETTINGS = ("max_connections=60", "shared_buffers=16MB", "dynamic_shared_memory_type=mmap")
"""With mmap, the shared memory of a killed server is in its data folder."""


@dataclass
class Lab:
    """Resources that servers share: credentials, an authority, programs. folder: a short path, because of sockets."""

    folder: Path
    servers: list[Server] = field(default_factory=list)
    programs: list[subprocess.Popen[str]] = field(default_factory=list)
    template: Path | None = None
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        for name in ("credentials", "certificate", "bin"):
            (self.folder / name).mkdir()
        for role, password in PASSWORDS.items():
            (self.folder / "credentials" / role).write_text(password)
        shutil.copy(ENTRYPOINT, self.folder / "bin")
        write_certificate(self.folder / "certificate")
        self.give(self.folder)

    def give(self, folder: Path) -> None:
        """Change the owner of a path to the servers' user."""
        if user := server_user():
            subprocess.run(["chown", "-R", user, folder], check=True)

    def server(self, *, copied: bool = True) -> Server:
        """Create a server. copied: whether with the data of the template, once there is one."""
        made = Server(self, f"s{next(self.numbers)}", free_port())
        if copied and self.template:
            subprocess.run(["cp", "-a", self.template, made.data], check=True)
        self.servers.append(made)
        return made

    def end(self) -> None:
        """End all servers and programs, and delete their files."""
        while self.programs:
            self.programs.pop().kill()
        while self.servers:
            server = self.servers.pop()
            server.stop(signal.SIGQUIT)
            shutil.rmtree(server.folder)


@dataclass
class Server:
    """A PostgreSQL server. started: the container's first process. settings: arguments, which override the others."""

    lab: Lab
    name: str
    port: int
    started: subprocess.Popen[bytes] | None = None
    settings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("bin", "tmp", "run", "freehold", "data"):
            (self.folder / name).mkdir(parents=True)
        for name in SOURCES:
            (self.folder / "freehold" / name).write_text(self._elsewhere((SHIPPED / name).read_text()))
        (self.folder / "freehold/volume-mebibytes").write_text("384")  # by which a server keeps 48 MB of WAL
        self.lab.give(self.folder)

    def _elsewhere(self, text: str) -> str:
        """Return the shipped start.sh with other folders, another user, shorter waits and a shorter log."""
        moved = {
            "/credentials/": f"{self.lab.folder}/credentials/",
            "/certificate/": f"{self.lab.folder}/certificate/",
            "/freehold/": f"{self.folder}/freehold/",
            "/tmp/": f"{self.folder}/tmp/",
            "/dev/termination-log": f"{self.folder}/termination-log",
            "/var/run/postgresql": f"{self.folder}/run",
            " peer": " trust",
            "sleep 5": "sleep 0.2",
            "sleep 15": "sleep 0.5",
            "sleep 2": "sleep 0.1",
            "silent < 4": "silent < 20",
            "sleep 60": "sleep 0.2",
        }
        return re.sub("|".join(moved), lambda found: moved[found.group()], text)

    @property
    def folder(self) -> Path:
        return self.lab.folder / self.name

    @property
    def data(self) -> Path:
        return self.folder / "data" / "pgdata"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def start(self, follow: Server | None = None) -> None:
        variables = {
            "PATH": f"{self.folder}/bin:{self.lab.folder}/bin:{postgresql_programs()}:{os.environ['PATH']}",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "PGDATA": str(self.data),
            "PGPORT": str(self.port),
            "POSTGRES_DB": "app",
            "POSTGRES_PASSWORD_FILE": f"{self.lab.folder}/credentials/postgres",
            "POSTGRES_INITDB_ARGS": "--data-checksums --auth-host=scram-sha-256",
            "CONNECTIONS": "40",
            "STATEMENT_TIMEOUT": "30s",
            "IDLE_IN_TRANSACTION_TIMEOUT": "60s",
            "HOSTNAME": self.name,
            "TMPDIR": f"{self.folder}/tmp",
            **({"PRIMARY_HOST": follow.host} if follow else {}),
        }
        (self.folder / "tmp/roles-are-set").unlink(missing_ok=True)
        own = ("listen_addresses=127.0.0.1", f"unix_socket_directories={self.folder}/run")
        settings = [f"-c{setting}" for setting in (*SETTINGS, *own, *self.settings)]
        with (self.folder / "log").open("ab") as log:
            self.started = subprocess.Popen(
                ["bash", self.folder / "freehold/start.sh", *settings],
                env=variables,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                user=server_user(),
                start_new_session=True,
            )

    def is_ready(self) -> bool:
        assert self.started and self.started.poll() is None, f"{self.name} ended:\n{self.log[-3000:]}"
        return (self.folder / "tmp/roles-are-set").exists()

    def wait_ready(self) -> None:
        wait_until(self.is_ready, f"{self.name} is ready")

    def ended(self) -> bool:
        """Whether the server has ended by itself, so that the kubelet would restart its container."""
        assert self.started
        self.started.wait(PATIENCE_SECONDS)
        self.kill()
        return True

    def start_copying(self, source: Server) -> None:
        """Start the initial copy, and stop the process in the middle until SIGCONT."""
        program = self.folder / "bin/pg_basebackup"
        program.write_text(f'#!/bin/sh\nexec {postgresql_programs()}/pg_basebackup --max-rate=32M "$@"\n')
        program.chmod(0o755)
        self.start(source)
        wait_until(lambda: (self.folder / "data/pgdata.copy/base").exists(), f"{self.name} copies")
        self.send(signal.SIGSTOP)
        assert not self.data.exists(), "it was copied before it could be stopped"

    def processes(self) -> list[int]:
        """Return the processes of the server and of its children, which have sessions of their own."""
        return [self.started.pid, *below(self.started.pid)] if self.started else []

    def send(self, number: signal.Signals) -> None:
        for process in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    def kill(self) -> None:
        """Kill all processes at once, as a loss of power does, those beside the server included."""
        if not self.started:
            return
        self.send(signal.SIGSTOP)
        every = self.processes()
        self.send(signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.started.pid, signal.SIGKILL)
        self.started.wait()
        wait_until(lambda: not any(map(runs, every)), f"{self.name} has ended whole")
        self.started = None

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop the server as on the deletion of a pod: SIGTERM, and SIGKILL after a grace period."""
        if self.started:
            self.started.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.started.wait(PATIENCE_SECONDS)
        self.kill()

    def open(self) -> None:
        self.ask("SELECT freehold.unfence()")

    def close(self) -> None:
        """Fence the server: refuse all clients, and end existing sessions."""
        self.ask("SELECT freehold.fence()")
        wait_until(lambda: self.ask("SELECT freehold.sessions_terminated()"), f"{self.name} is drained")

    def connect(self, role: str = "app", port: int | None = None, **options: Any) -> psycopg.Connection[Any]:
        """Connect as the service does, or to another port, like a proxy's."""
        return psycopg.connect(
            host="127.0.0.1",
            port=port or self.port,
            user=role,
            dbname="postgres" if role == "replicator" else "app",
            sslmode="verify-full",
            sslrootcert=f"{self.lab.folder}/certificate/ca.crt",
            **{"autocommit": True, "connect_timeout": 5, "password": PASSWORDS[role], **options},
        )

    def ask(self, query: str, database: str = "postgres") -> Any:
        """Return the first value of a superuser's query, None without a row."""
        where = {"host": f"{self.folder}/run", "port": self.port, "user": "postgres", "dbname": database}
        with psycopg.connect(**where, autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(query)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None

    def is_open(self) -> bool:
        return bool(self.ask("SELECT NOT pg_is_in_recovery() AND datallowconn FROM pg_database WHERE datname = 'app'"))
