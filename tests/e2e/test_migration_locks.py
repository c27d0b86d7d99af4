"""A migration that needs a lock holds up nobody: it gives up early, and is tried again until it gets the lock."""

from __future__ import annotations

import time

from tests.e2e.support.cluster import Space
from tests.e2e.support.database_sessions import SERVICE, query, read_line
from tests.e2e.support.microservices import users
from tests.e2e.support.pod_exec import PYTHON, started

HELD_SECONDS = 40
LONGEST_READ = 4.0
"""Seconds that a read may wait: the lock timeout of migrations, and a busy machine."""
HOLDS = f"""
import os, psycopg, time
with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    connection.execute("select count(*) from users")
    print("holds", flush=True)
    time.sleep({HELD_SECONDS})
"""
READS = f"""
import os, psycopg, time
longest, end = 0.0, time.monotonic() + {HELD_SECONDS}
with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
    while time.monotonic() < end:
        begun = time.monotonic()
        connection.execute("select count(*) from users")
        longest = max(longest, time.monotonic() - begun)
        time.sleep(0.2)
print(longest)
"""
ADDS_A_COLUMN = [
    PYTHON,
    "-c",
    "import os, psycopg; psycopg.connect(os.environ['DATABASE_URL'], autocommit=True)"
    ".execute('alter table users add column if not exists memo text')",
]


def test_migration_locks(yard: Space) -> None:
    """Reads go on while a migration waits for a transaction, which the condition names, and then it is applied."""
    yard.apply(users())
    yard.until_ready("users")
    holder = started(yard, SERVICE, HOLDS)
    assert read_line(holder) == "holds"
    reader = started(yard, SERVICE, READS)
    begun = time.monotonic()

    yard.spec("users", database={"migrations": {"command": ADDS_A_COLUMN}})
    said = yard.until_condition("users", "MigrationsApplied", "Unknown", "WaitingForLock")
    assert "users:dev goes on serving" in said
    assert time.monotonic() < begun + HELD_SECONDS, "while the transaction lasts"

    assert float(read_line(reader)) < LONGEST_READ
    yard.until_condition("users", "MigrationsApplied", "True", "Applied", within=180)
    assert query(yard, "select count(memo) from users") == ["0"]
    for process in (holder, reader):
        process.wait(timeout=30)
