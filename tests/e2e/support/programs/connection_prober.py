"""A program for pods: `listen PORT…` accepts and closes connections; `try` opens connections, round after round.

`try` reads lines of JSON, each a list of [address, port] that replaces the list before. For each round the program
prints {"list": number of lists read so far, "fared": outcome of each target}. The program ends with its input.
"""

from __future__ import annotations

import errno
import json
import queue
import selectors
import socket
import struct
import sys
import threading
import time

PATIENCE_SECONDS = 3
PACE_SECONDS = 0.25
MOST_ROUNDS = 4000
ANSWERED, SILENT = "answered", "silent"
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER that closes with a reset; otherwise each of thousands of connections would hold a port for a minute."""


def listen(ports: list[int]) -> None:
    """Accept and close connections until the pod ends."""
    with selectors.DefaultSelector() as listening:
        for port in ports:
            listening.register(socket.create_server(("", port), backlog=256), selectors.EVENT_READ)
        while True:
            for key, _ in listening.select():
                key.fileobj.accept()[0].close()  # type: ignore[union-attr]


def fared(targets: list[tuple[str, int]]) -> list[str]:
    """Try all targets at once. Return ANSWERED, SILENT after PATIENCE_SECONDS, or the name of the error for each."""
    outcomes, deadline = [SILENT] * len(targets), time.monotonic() + PATIENCE_SECONDS
    with selectors.DefaultSelector() as waiting:
        for place, target in enumerate(targets):
            attempt = socket.socket()
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            attempt.setblocking(False)
            attempt.connect_ex(target)
            waiting.register(attempt, selectors.EVENT_WRITE, (place, attempt))
        while waiting.get_map() and (left := deadline - time.monotonic()) > 0:
            for done, _ in waiting.select(left):
                place, attempt = done.data
                outcomes[place] = _outcome(attempt)
                waiting.unregister(attempt)
                attempt.close()
        for late in list(waiting.get_map().values()):
            late.data[1].close()
    return outcomes


def _outcome(attempt: socket.socket) -> str:
    if error := attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        return errno.errorcode[error]
    try:
        attempt.getpeername()
    except OSError:
        return "ENOTCONN"
    return ANSWERED


def try_over_and_over() -> None:
    """Try the newest list of targets again and again, at most MOST_ROUNDS times."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    read, targets = 1, json.loads(lines.get())
    for _ in range(MOST_ROUNDS):
        outcomes = fared([(address, port) for address, port in targets])
        print(json.dumps({"list": read, "fared": outcomes}), flush=True)
        try:
            line = lines.get(timeout=PACE_SECONDS)
        except queue.Empty:
            continue
        if not line:
            return
        read, targets = read + 1, json.loads(line)


def _read(lines: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        lines.put(line)
    lines.put("")


if __name__ == "__main__":
    if sys.argv[1] == "listen":
        listen([int(port) for port in sys.argv[2:]])
    else:
        try_over_and_over()
