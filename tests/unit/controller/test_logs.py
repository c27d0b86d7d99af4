"""The operator's log: no text of others forges a record, and each record is bounded."""

from __future__ import annotations

import logging

from freehold.controller import logs
from freehold.core.model import messages

FORGED = "gone\r\n2026-01-01 00:00:00,000 INFO shop/users: write NetworkPolicy users\x1b[2J"


def formatted(text: str, *, failing: bool = False) -> str:
    """Return a record about a text, with the traceback of an error with the text."""
    record = logging.LogRecord("x", logging.WARNING, "x.py", 1, "watch failed: %s", (text,), None)
    if failing:
        record.exc_info = (ValueError, ValueError(text), None)
    return logs.Bounded(logs.FORMAT).format(record)


def test_record_is_one_line() -> None:
    """Line breaks and control characters of a remote server's words are marks."""
    line = formatted(FORGED)
    assert line.isprintable()
    assert "WARNING watch failed: gone␍␊2026-01-01" in line


def test_record_is_bounded() -> None:
    """A server's answer of any length makes a short record."""
    assert len(formatted("x" * 1_000_000)) < messages.LIMIT + 100


def test_traceback_lines_are_indented() -> None:
    """The message of an exception begins no record either."""
    first, *rest = formatted(FORGED * 1000, failing=True).split("\n")
    assert "watch failed" in first
    assert rest and all(line.startswith("  ") and line.isprintable() for line in rest)
    assert max(map(len, rest)) < messages.LIMIT + 10
