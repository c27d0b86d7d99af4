"""The operator's log: a record is one line, whatever words of others the record repeats."""

from __future__ import annotations

import logging
import sys

from freehold.core.model import messages

FORMAT = "%(asctime)s %(levelname)s %(message)s"
TRACEBACK_LINES = 60
"""The most lines of a traceback, the last ones; a recursion has thousands."""


class Bounded(logging.Formatter):
    """Bounds each message, and shows control characters as marks, so that no text can forge a record.

    The lines of a traceback are indented, and so begin no record.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = messages.bounded(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: logging._SysExcInfoType) -> str:
        lines = super().formatException(ei).splitlines()[-TRACEBACK_LINES:]
        return "\n".join(f"  {messages.bounded(line)}" for line in lines)


def configure(level: str) -> None:
    """Write the records of all loggers to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Bounded(FORMAT))
    logging.basicConfig(level=level, handlers=[handler])
