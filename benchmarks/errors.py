"""The error of a benchmark that cannot measure."""

from __future__ import annotations


class BenchmarkError(Exception):
    """A failed measurement; the message is printed unchanged, without a traceback."""
