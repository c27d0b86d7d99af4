"""Runs in a pod in a service's place: writes a row a hundred times a second until its input ends.

Usage: python3 -c "$(cat rows.py)" SECONDS, which it lasts at most; the service's binding is at /binding. Prints
{"rows": how many were taken, "longest": seconds between two of them, "usual": the median of those}.
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


def ended(wait: float) -> bool:
    return bool(select.select([sys.stdin], [], [], wait)[0])


def main(seconds: float) -> None:
    binding = {name: Path("/binding", part).read_text() for name, part in PARTS.items()}
    target = make_conninfo(**binding, sslmode="require", connect_timeout=10)
    connection: psycopg.Connection | None = None
    taken: list[float] = []
    end = time.monotonic() + seconds
    while not ended(PACE) and time.monotonic() < end:
        try:
            if connection is None or connection.closed:
                connection = psycopg.connect(target, autocommit=True)
            connection.execute(INSERT)
            taken.append(time.monotonic())
        except psycopg.OperationalError as error:
            print(error, file=sys.stderr)
    gaps = [later - earlier for earlier, later in pairwise(taken)]
    print(json.dumps({"rows": len(taken), "longest": max(gaps), "usual": statistics.median(gaps)}))


main(float(sys.argv[1]))
