"""An endpoint for connection tests; runs inside a network namespace, serves, and tries connections on command.

Commands arrive on standard input, one JSON object per line, and each is answered with "accept", "reject" or "drop":
{"try": [protocol, source, target, port]} opens a connection and closes it; "hold" opens a connection and keeps it open;
"use" sends a byte over the open connection; {"heard": [source]} answers "accept" if a datagram from `source` has
arrived since the last "heard".
"""

from __future__ import annotations

import json
import socket
import sys
import threading

# Below one second, after which a dropped SYN is retransmitted, and long for a reset within one machine.
PATIENCE_SECONDS = 0.5

heard: set[str] = set()


def serve(address: str, protocol: str, port: int) -> None:
    """Start an echo server; the socket is bound when the function returns."""
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
        while received := connection.recv(100):
            connection.sendall(received)
    except OSError:
        connection.close()


def _echo_datagrams(server: socket.socket) -> None:
    while True:
        received, sender = server.recvfrom(100)
        heard.add(sender[0])
        try:
            server.sendto(received, sender)
        except OSError as error:
            print(f"reply to {sender}: {error}", file=sys.stderr)


class Caller:
    """Opens connections and reports the outcome."""

    def __init__(self) -> None:
        self._kept: socket.socket | None = None

    def answer(self, command: dict[str, list[str]]) -> str:
        """Return the outcome of one command."""
        ((verb, arguments),) = command.items()
        if verb == "heard":
            arrived = arguments[0] in heard
            heard.clear()
            return "accept" if arrived else "drop"
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
