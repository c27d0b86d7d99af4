"""A program for pods that tries to write to several servers again and again, with the credentials of the service.

Arguments: SECONDS PREFIX HOST…; further parameters are in libpq's variables. The program ends early with its input, and
prints {HOST: {"taken": [[sent, acknowledged, email], …], "refused": {error: times}}}, with times in Unix seconds.
"""

import json
import select
import sys
import threading
import time
from collections import Counter

import psycopg

PACE = 0.025
REFUSED_PACE = 0.1
"""Seconds between two attempts; a connection costs a server more than a row."""
INSERT = "INSERT INTO users (name, email) VALUES ('Ada', %s)"
ended = threading.Event()


class Attempts:
    """Attempts at one server, one after the other, over the same connection as long as it lasts."""

    def __init__(self, host: str, prefix: str) -> None:
        self.taken: list[tuple[float, float, str]] = []
        self.refused: Counter[str] = Counter()
        self._host, self._prefix = host, prefix
        self._connection: psycopg.Connection | None = None

    def run(self) -> None:
        number = 0
        while not ended.wait(PACE):
            number += 1
            try:
                self._insert(f"{self._prefix}-{number}@example.org")
            except psycopg.Error as error:
                said = (
                    error.sqlstate or str(error).strip().splitlines()[-1]
                )  # an error of a connection has no code, only a text
                self.refused[f"{type(error).__name__} {said}"] += 1
                ended.wait(REFUSED_PACE)

    def _insert(self, email: str) -> None:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(host=self._host, connect_timeout=2, autocommit=True)
        sent = time.time()
        self._connection.execute(INSERT, (email,))
        self.taken.append((sent, time.time(), email))


def main(seconds: int, prefix: str, *hosts: str) -> None:
    attempts = {host: Attempts(host, f"{prefix}-{number}") for number, host in enumerate(hosts)}
    threads = [threading.Thread(target=each.run) for each in attempts.values()]
    for thread in threads:
        thread.start()
    select.select([sys.stdin], [], [], seconds)
    ended.set()
    for thread in threads:
        thread.join()
    print(json.dumps({host: {"taken": each.taken, "refused": each.refused} for host, each in attempts.items()}))


main(int(sys.argv[1]), *sys.argv[2:])
