"""The lines of a log that a condition shows."""

from __future__ import annotations

import pytest
from freehold.core.objects import logs


@pytest.mark.parametrize(
    ("description", "log", "expected"),
    [
        ("nothing", "", ""),
        ("one line", "boom\n", "boom"),
        ("the last three of many", "a\nb\nc\nd\n\n", "b / c / d"),
        ("without surrounding space", "  a  \n\n\n b", "a / b"),
        (
            "a password of a connection string",
            "cannot connect to postgresql://app:s3cr3t-word@users-database.shop.svc:5432/app",
            "cannot connect to postgresql://app:***@users-database.shop.svc:5432/app",
        ),
        (
            "two passwords on a line",
            "tried postgresql://app:one@a/x, then postgresql://owner:two@b/x",
            "tried postgresql://app:***@a/x, then postgresql://owner:***@b/x",
        ),
        ("a password with slash and colon", "postgresql://app:a/b:c@host/x", "postgresql://app:***@host/x"),
        (
            "an address without a password",
            "http://users.shop.svc:8080/healthz",
            "http://users.shop.svc:8080/healthz",
        ),
    ],
)
def test_last_lines_masked_and_short(description: str, log: str, expected: str) -> None:
    """The last lines of a log, with passwords in URIs masked."""
    assert logs.telling_lines(log) == expected, description


def test_last_lines_truncated_password_masked() -> None:
    """A password is masked before the line is cut."""
    long = "x" * 270 + " postgresql://app:" + "s3cr3t" * 10 + "@host/app"
    assert "s3cr3t" not in logs.telling_lines(long)


def test_last_lines_length_limited() -> None:
    """Long lines are cut to a length for a condition."""
    assert len(logs.telling_lines("\n".join(["y" * 5000] * 3))) < 1000


POSTGRESQL = """
2026-01-02 03:00:00.100 UTC [1] LOG:  starting PostgreSQL 15.14
2026-01-02 03:00:00.101 UTC [1] FATAL:  data directory "/var/lib/postgresql/data/pgdata" has invalid permissions
2026-01-02 03:00:00.101 UTC [1] DETAIL:  Permissions should be u=rwx (0700) or u=rwx,g=rx (0750).
2026-01-02 03:00:00.110 UTC [9] FATAL:  the database system is starting up
2026-01-02 03:00:00.111 UTC [1] LOG:  aborting startup due to startup process failure
2026-01-02 03:00:00.112 UTC [8] FATAL:  terminating connection due to administrator command
2026-01-02 03:00:00.112 UTC [1] LOG:  shutting down
2026-01-02 03:00:00.113 UTC [1] LOG:  database system is shut down
"""


@pytest.mark.parametrize(
    ("description", "log", "expected"),
    [
        (
            "a server that does not start, with its details, before what it tells clients and of its end",
            POSTGRESQL,
            '2026-01-02 03:00:00.101 UTC [1] FATAL:  data directory "/var/lib/postgresql/data/pgdata" has invalid '
            "permissions / 2026-01-02 03:00:00.101 UTC [1] DETAIL:  Permissions should be u=rwx (0700) or "
            "u=rwx,g=rx (0750).",
        ),
        (
            "a panic before errors of clients",
            "PANIC:  could not write to file\nLOG:  a\nFATAL:  password authentication failed\nLOG:  b\nLOG:  c",
            "PANIC:  could not write to file",
        ),
        (
            "a program in Go",
            "panic: no such file\n\ngoroutine 1 [running]:\nmain.main()\n/x.go:1",
            "panic: no such file",
        ),
        ("a word that is no severity", "a\nb\nfatal errors: 0\nc\nd", "fatal errors: 0 / c / d"),
    ],
)
def test_telling_lines_by_severity(description: str, log: str, expected: str) -> None:
    """The cause of an end is shown, and not what is logged after it."""
    assert logs.telling_lines(log) == expected, description
