"""The machine's use of its processors, from /proc/stat (proc(5)). It uses the standard library alone."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

STAT = Path("/proc/stat")
IDLE, IOWAIT = 3, 4
GUEST = 8
"""Columns of the first line; from GUEST on, the times are part of user and nice already."""


@dataclass(frozen=True)
class Processors:
    """Processor time since the machine's start, of all processors together, in clock ticks."""

    busy: int
    total: int

    @classmethod
    def now(cls, stat: Path = STAT) -> Processors | None:
        """Read the present times; None on a machine without /proc/stat."""
        try:
            first = stat.read_text().partition("\n")[0]
        except OSError:
            return None
        ticks = [int(field) for field in first.split()[1:]]
        total = sum(ticks[:GUEST])
        return cls(total - ticks[IDLE] - ticks[IOWAIT], total)

    def share_since(self, before: Processors) -> float:
        """The busy share between two readings: 0 for idle, 1 for all processors busy."""
        return (self.busy - before.busy) / max(1, self.total - before.total)


def busy(before: Processors | None, after: Processors | None) -> str:
    """A text for a summary, like `71 % of 2 processors busy`; empty where nothing was measured."""
    if before is None or after is None:
        return ""
    return f"{100 * after.share_since(before):.0f} % of {os.cpu_count()} processors busy"
