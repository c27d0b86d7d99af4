"""The door: where clients of a database connect to while it moves. `python3 -m freehold.agents.postgresql.proxy HOST HOST`

It hands each new connection on to the server that is open at that moment, byte for byte: TLS goes through, and with it
a client's trust in the server. While none is open it holds the connection, so that whoever reconnects during a switch
waits for some hundred milliseconds and sees no failure. To whoever connects to its other port it tells, as one line of
JSON, how the servers are and how far the copy has come (`freehold.agents.postgresql.replication_progress`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import TypeAlias

from freehold.agents.postgresql.connection import Connection, LostError, RefusedError, State
from freehold.agents.postgresql.replication_progress import progress, summary
from freehold.core.engines.postgresql import constants
from freehold.core.objects import names

PORT, TOLD_PORT = constants.PORT, names.PORT_PROGRESS
NAME = "freehold-database-proxy"
HELD_SECONDS = 10.0
LOOK_SECONDS = 0.02
"""Between two looks for a server that is open, while connections are held."""
CONNECT_SECONDS = 2.0
QUIET_SECONDS = 0.1
"""A session in which nothing has moved for so long, after words of the server's, waits for nothing."""
LEAVE_SECONDS = 20.0
TELL_SECONDS = 1.0
"""What is told is as old as that, or as a server that gives no answer makes it."""
CHUNK = 64 * 1024
LOST_HOST = {socket.TCP_KEEPIDLE: 5, socket.TCP_KEEPINTVL: 2, socket.TCP_KEEPCNT: 3, socket.TCP_USER_TIMEOUT: 11_000}
"""A host that is lost is noticed after some eleven seconds, for neither side can tell any more."""
Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def main() -> None:
    asyncio.run(Door(sys.argv[1:]).serve())


class Instance:
    """One server, asked over a connection that stands."""

    def __init__(self, host: str) -> None:
        self.host = host
        self._link = Connection(host, NAME)
        self._began = -1.0
        self._latest: asyncio.Task[State | None] | None = None

    async def look(self) -> State | None:
        """How it is, asked no earlier than now; None where it cannot be reached. All who wait share the next look."""
        now = time.monotonic()
        while self._latest is None or self._began < now:
            if self._latest and not self._latest.done():
                await asyncio.wait({self._latest})
            else:
                self._began = time.monotonic()
                self._latest = asyncio.create_task(asyncio.to_thread(_state, self._link))
        return await asyncio.shield(self._latest)


def _state(link: Connection) -> State | None:
    try:
        return link.look()
    except (LostError, RefusedError):
        return None


@dataclass(eq=False)
class Session:
    """A connection that was handed on. moved: when bytes last did, on the monotonic clock; answered: whether those were
    the server's."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    moved: float = field(default_factory=time.monotonic)
    answered: bool = False

    def is_quiet(self) -> bool:
        return self.answered and time.monotonic() - self.moved >= QUIET_SECONDS

    async def run(self, from_client: asyncio.StreamReader, from_server: asyncio.StreamReader) -> None:
        """Until either side ends it; what the server said last still reaches the client."""
        both = {
            asyncio.create_task(self._pump(from_client, self.server, answered=False)),
            asyncio.create_task(self._pump(from_server, self.client, answered=True)),
        }
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        self.close()
        await asyncio.wait(both)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answered: bool) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK):
                self.moved, self.answered = time.monotonic(), answered
                writer.write(chunk)
                await writer.drain()

    def close(self) -> None:
        self.client.close()
        self.server.close()


class Door:
    def __init__(self, hosts: list[str]) -> None:
        self._seats = [Instance(host) for host in hosts]
        self._tellers = {host: Connection(host, NAME) for host in hosts}
        self._told = summary(dict.fromkeys(hosts))
        self._sessions: set[Session] = set()
        self._held = 0

    async def serve(self) -> None:
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        keeping = asyncio.create_task(self._keep_telling())
        telling = await asyncio.start_server(self._tell, port=TOLD_PORT)
        door = await asyncio.start_server(self._admit, port=PORT, backlog=1024)
        print(f"hands connections on to whichever is open: {', '.join(self._tellers)}", flush=True)
        await stopping.wait()
        door.close()
        await self._leave()
        telling.close()
        keeping.cancel()

    async def _admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._held += 1
        try:
            found = await self._open_server()
        finally:
            self._held -= 1
        if found is None:
            writer.close()
            return
        session = Session(writer, found[1])
        for side in (writer, found[1]):
            _notice_lost_host(side)
        self._sessions.add(session)
        await session.run(reader, found[0])
        self._sessions.discard(session)

    async def _open_server(self) -> Streams | None:
        """A connection to the server that is open, once one is; None where that takes too long."""
        deadline = time.monotonic() + HELD_SECONDS
        while time.monotonic() < deadline:
            if host := await self._open_host():
                name, _, port = host.partition(":")
                with contextlib.suppress(OSError):  # a TimeoutError is one
                    async with asyncio.timeout(CONNECT_SECONDS):
                        return await asyncio.open_connection(name, int(port or constants.PORT))
            await asyncio.sleep(LOOK_SECONDS)
        return None

    async def _open_host(self) -> str | None:
        """As soon as one says that it is open, the other is not waited for."""
        looks = {asyncio.create_task(instance.look()): instance.host for instance in self._seats}
        waiting = set(looks)
        try:
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for look in done:
                    if (state := look.result()) and state.is_open:
                        return looks[look]
        finally:
            for look in waiting:
                look.cancel()
        return None

    async def _leave(self) -> None:
        """End each session at its first quiet moment, and at last whatever is left."""
        deadline = time.monotonic() + LEAVE_SECONDS
        while (self._sessions or self._held) and time.monotonic() < deadline:
            for session in self._sessions:
                if session.is_quiet():
                    session.close()
            await asyncio.sleep(LOOK_SECONDS)
        for session in self._sessions:
            session.close()

    async def _tell(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        counts = {"held": self._held, "sessions": len(self._sessions)}
        writer.write(json.dumps(self._told | counts).encode() + b"\n")
        with contextlib.suppress(OSError):
            await writer.drain()
        writer.close()

    async def _keep_telling(self) -> None:
        while True:
            links = self._tellers.values()
            found = await asyncio.gather(*(asyncio.to_thread(progress, link) for link in links))
            self._told = summary(dict(zip(self._tellers, found, strict=True)))
            await asyncio.sleep(TELL_SECONDS)


def _notice_lost_host(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in LOST_HOST.items():
        connection.setsockopt(socket.IPPROTO_TCP, option, value)


if __name__ == "__main__":
    main()
