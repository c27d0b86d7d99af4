"""Runs in a pod with a service's labels: writes a hundred rows per second until standard input ends.

Usage: python3 -c "$(cat rows.py)" SECONDS, the maximal duration; the service's binding is at /binding. Prints
{"rows": number of committed rows, "longest": longest gap between two rows in seconds, "usual": median of the gaps}.
"""

import json
import select
import statistics
import sys
import time
from itertools import pairwise
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

PACE = 0.01
INSERT = "INSERT INTO users (name, email) VALUES ('Ada', 'row-' || gen_random_uuid() || '@example.org')"
PARTS = {"host": "host", "user": "username", "password": "password", "dbname": "database"}


def input_ended(wait: float) -> bool:
    return bool(select.select([sys.stdin], [], [], wait)[0])


def main(seconds: float) -> None:
    binding = {name: Path("/binding", part).read_text() for name, part in PARTS.items()}
    target = make_conninfo(**binding, sslmode="require", connect_timeout=10)
    connection: psycopg.Connection | None = None
    committed: list[float] = []
    end = time.monotonic() + seconds
    while not input_ended(PACE) and time.monotonic() < end:
        try:
            if connection is None or connection.closed:
                connection = psycopg.connect(target, autocommit=True)
            connection.execute(INSERT)
            committed.append(time.monotonic())
        except psycopg.OperationalError as error:
            print(error, file=sys.stderr)
    gaps = [later - earlier for earlier, later in pairwise(committed)]
    print(json.dumps({"rows": len(committed), "longest": max(gaps), "usual": statistics.median(gaps)}))


main(float(sys.argv[1]))
