"""One end of connections, run inside a network namespace: it listens, and tries what it is told on its standard input.

Each line in is JSON: {"try": [protocol, source, target, port]} opens a connection and answers "accept", "reject" or
"drop"; "hold" opens one and keeps it; "use" says a byte on the kept one and answers what became of it; {"heard":
[source]} answers whether a datagram came from there since it was last asked.
"""

from __future__ import annotations

import json
import socket
import sys
import threading

# Well under the second after which a dropped SYN is sent again, and long for a reset within one machine.
PATIENCE_SECONDS = 0.5

heard: set[str] = set()


def serve(address: str, protocol: str, port: int) -> None:
    """Echoes what it gets, from now on; the socket is ready when this returns."""
    kind = socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM
    server = socket.socket(socket.AF_INET, kind)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, port))
    if protocol == "TCP":
        server.listen(64)
    threading.Thread(
        target=_echo_streams if protocol == "TCP" else _echo_datagrams, args=(server,), daemon=True
    ).start()


def _echo_streams(server: socket.socket) -> None:
    while True:
        connection, _ = server.accept()
        threading.Thread(target=_echo, args=(connection,), daemon=True).start()


def _echo(connection: socket.socket) -> None:
    try:
        while said := connection.recv(100):
            connection.sendall(said)
    except OSError:
        connection.close()


def _echo_datagrams(server: socket.socket) -> None:
    while True:
        said, sender = server.recvfrom(100)
        heard.add(sender[0])
        try:
            server.sendto(said, sender)
        except OSError as error:
            print(f"reply to {sender}: {error}", file=sys.stderr)


class Caller:
    """Opens connections and says what became of them."""

    def __init__(self) -> None:
        self._kept: socket.socket | None = None

    def answer(self, asked: dict[str, list[str]]) -> str:
        """The outcome of one line of input."""
        ((verb, arguments),) = asked.items()
        if verb == "heard":
            came = arguments[0] in heard
            heard.clear()
            return "accept" if came else "drop"
        if verb == "use":
            assert self._kept is not None
            return self._outcome(self._kept)
        protocol, source, target, port = arguments
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM)
        connection.settimeout(PATIENCE_SECONDS)
        connection.bind((source, 0))
        outcome = self._outcome(connection, (target, int(port)))
        if verb == "hold":
            self._kept = connection
        else:
            connection.close()
        return outcome

    def _outcome(self, connection: socket.socket, target: tuple[str, int] | None = None) -> str:
        try:
            if target:
                connection.connect(target)
            connection.send(b"?")
            return "accept" if connection.recv(1) else "reject"
        except TimeoutError:
            return "drop"
        except OSError:
            return "reject"


def main() -> None:
    for server in sys.argv[1:]:
        address, protocol, port = server.split(":")
        serve(address, protocol, int(port))
    print("ready", flush=True)
    caller = Caller()
    for line in sys.stdin:
        print(caller.answer(json.loads(line)), flush=True)


if __name__ == "__main__":
    main()
