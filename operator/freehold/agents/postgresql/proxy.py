"""The database proxy of a move: `python3 -m freehold.agents.postgresql.proxy HOST HOST`.

The proxy passes each new connection to the writable server, byte for byte, so that TLS and the client's verification of
the server are end to end. While no server is writable, new connections are held: a client that reconnects during a
switchover waits for some hundred milliseconds instead of failing. A second port serves the servers' states and the
progress of the move as one line of JSON (`freehold.agents.postgresql.replication_progress`).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import TypeAlias

from freehold.agents.postgresql import losses, replication_progress
from freehold.agents.postgresql.connection import (
    Connection,
    ConnectionLostError,
    QueryFailedError,
    State,
    host_and_port,
)
from freehold.core.engines.postgresql import constants
from freehold.core.objects import names

PORT, PROGRESS_PORT = constants.PORT, names.PORT_PROGRESS
NAME = "freehold-database-proxy"
HELD_SECONDS = 10.0
POLL_SECONDS = 0.02
"""Between two queries for a writable server while connections are held."""
CONNECT_SECONDS = 2.0
QUIET_SECONDS = 0.1
"""A session without traffic for so long, after an answer of the server, waits for no answer."""
DRAIN_SECONDS = 20.0
PROGRESS_SECONDS = 1.0
"""Between two queries of the progress, plus the time limits of a server that hangs."""
LOSSES_ROUNDS = 5
"""Queries of the progress for each query of what a move would lose, which opens a session of database app."""
CHUNK = 64 * 1024
KEEPALIVE = {socket.TCP_KEEPIDLE: 5, socket.TCP_KEEPINTVL: 2, socket.TCP_KEEPCNT: 3, socket.TCP_USER_TIMEOUT: 11_000}
"""A lost host is detected after some eleven seconds; client and server do not see each other's host."""
Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def main() -> None:
    asyncio.run(Proxy(sys.argv[1:]).serve())


class Server:
    """One server, queried over a permanent connection."""

    def __init__(self, host: str) -> None:
        self.host = host
        self._connection = Connection(host, NAME)
        self._queried_at = -1.0
        self._latest: asyncio.Task[State | None] | None = None

    async def state(self) -> State | None:
        """Return the server's state, queried after this call; None if unreachable. Callers share the next query."""
        now = time.monotonic()
        while self._latest is None or self._queried_at < now:
            if self._latest and not self._latest.done():
                await asyncio.wait({self._latest})
            else:
                self._queried_at = time.monotonic()
                self._latest = asyncio.create_task(asyncio.to_thread(_state, self._connection))
        return await asyncio.shield(self._latest)


def _state(connection: Connection) -> State | None:
    try:
        return connection.state()
    except (ConnectionLostError, QueryFailedError):
        return None


@dataclass(eq=False)
class Session:
    """A client's connection to a server. last_traffic: on the monotonic clock. answered: whether the last bytes came
    from the server."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    last_traffic: float = field(default_factory=time.monotonic)
    answered: bool = False

    def is_quiet(self) -> bool:
        return self.answered and time.monotonic() - self.last_traffic >= QUIET_SECONDS

    async def run(self, from_client: asyncio.StreamReader, from_server: asyncio.StreamReader) -> None:
        """Copy bytes until either side ends the session; the server's last bytes still reach the client."""
        both = {
            asyncio.create_task(self._copy(from_client, self.server, answered=False)),
            asyncio.create_task(self._copy(from_server, self.client, answered=True)),
        }
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        self.close()
        await asyncio.wait(both)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answered: bool) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK):
                self.last_traffic, self.answered = time.monotonic(), answered
                writer.write(chunk)
                await writer.drain()

    def close(self) -> None:
        self.client.close()
        self.server.close()


class Proxy:
    """The proxy before these servers, each a `name` or `name:port`."""

    def __init__(self, hosts: list[str]) -> None:
        self._servers = [Server(host) for host in hosts]
        self._progress_connections = {host: Connection(host, NAME) for host in hosts}
        self._progress = replication_progress.summary(dict.fromkeys(hosts))
        self._losses: str | None = None
        self._sessions: set[Session] = set()
        self._held = 0

    async def serve(self) -> None:
        """Serve until SIGTERM or SIGINT, then end the sessions."""
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        monitor = asyncio.create_task(self._monitor_progress())
        progress_listener = await asyncio.start_server(self._send_progress, port=PROGRESS_PORT)
        listener = await asyncio.start_server(self._accept, port=PORT, backlog=1024)
        print(f"passing connections to the writable server of: {', '.join(self._progress_connections)}", flush=True)
        await stopping.wait()
        listener.close()
        await self._drain()
        progress_listener.close()
        monitor.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._held += 1
        try:
            server = await self._connect_to_writable()
        finally:
            self._held -= 1
        if server is None:
            writer.close()
            return
        session = Session(writer, server[1])
        for side in (writer, server[1]):
            _set_keepalive(side)
        self._sessions.add(session)
        await session.run(reader, server[0])
        self._sessions.discard(session)

    async def _connect_to_writable(self) -> Streams | None:
        """Connect to the writable server, as soon as one exists; None after HELD_SECONDS."""
        deadline = time.monotonic() + HELD_SECONDS
        while time.monotonic() < deadline:
            if host := await self._writable_host():
                with contextlib.suppress(OSError):  # includes TimeoutError
                    async with asyncio.timeout(CONNECT_SECONDS):
                        return await asyncio.open_connection(*host_and_port(host))
            await asyncio.sleep(POLL_SECONDS)
        return None

    async def _writable_host(self) -> str | None:
        """Return the writable server's host, without waiting for the other server's answer; None if none is."""
        queries = {asyncio.create_task(server.state()): server.host for server in self._servers}
        pending = set(queries)
        try:
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for query in done:
                    if (state := query.result()) and state.is_writable:
                        return queries[query]
        finally:
            for query in pending:
                query.cancel()
        return None

    async def _drain(self) -> None:
        """Close each session when quiet, and the rest after DRAIN_SECONDS."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while (self._sessions or self._held) and time.monotonic() < deadline:
            for session in self._sessions:
                if session.is_quiet():
                    session.close()
            await asyncio.sleep(POLL_SECONDS)
        for session in self._sessions:
            session.close()

    async def _send_progress(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        counts = {"losses": self._losses, "held": self._held, "sessions": len(self._sessions)}
        writer.write(json.dumps(self._progress | counts).encode() + b"\n")
        with contextlib.suppress(OSError):
            await writer.drain()
        writer.close()

    async def _monitor_progress(self) -> None:
        for number in itertools.count():
            queries = (
                asyncio.to_thread(replication_progress.query, connection)
                for connection in self._progress_connections.values()
            )
            reports = await asyncio.gather(*queries)
            known = dict(zip(self._progress_connections, reports, strict=True))
            self._progress = replication_progress.summary(known)
            writable = [host for host, report in known.items() if report and report.state.is_writable]
            if not writable:
                self._losses = None
            elif number % LOSSES_ROUNDS == 0:
                self._losses = await asyncio.to_thread(_losses, self._progress_connections[writable[0]])
            await asyncio.sleep(PROGRESS_SECONDS)


def _losses(connection: Connection) -> str | None:
    """Return what a move from a server would lose; None if unknown."""
    try:
        return losses.query(connection)
    except (ConnectionLostError, QueryFailedError):
        return None


def _set_keepalive(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE.items():
        connection.setsockopt(socket.IPPROTO_TCP, option, value)


if __name__ == "__main__":
    main()
