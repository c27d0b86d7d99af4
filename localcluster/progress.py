"""Progress messages: one line per step, with duration and result."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

REDRAW_SECONDS = 1.0
GREEN, RED, DIM = "32", "31", "2"


def duration(seconds: float) -> str:
    """Format a duration for a narrow column: `0.4s`, `14s`, `6m02s`."""
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


def line(mark: str, name: str, taken: str, detail: str) -> str:
    return f"  {mark} {name:<10} {taken:>6}   {detail}".rstrip()


@dataclass
class Step:
    """A running step. `say` updates the progress message; `detail` at the end becomes the result in the final line."""

    name: str
    detail: str = ""
    started: float = field(default_factory=time.monotonic)

    def say(self, detail: str) -> None:
        """Show a progress message; without a terminal, print a line instead of redrawing."""
        if detail == self.detail:
            return
        self.detail = detail
        if not _redraws():
            print(line("…", self.name, duration(time.monotonic() - self.started), detail), flush=True)


@contextmanager
def step(name: str, detail: str = "") -> Iterator[Step]:
    """Show a step while it runs, and at the end ✓ or ✗ with duration and detail."""
    current = Step(name, detail)
    stop = threading.Event()
    painter = threading.Thread(target=_redraw, args=(current, stop), daemon=True)
    if _redraws():
        painter.start()
    mark, colour = "✗", RED
    try:
        yield current
        mark, colour = "✓", GREEN
    finally:
        stop.set()
        if painter.is_alive():
            painter.join()
        taken = duration(time.monotonic() - current.started)
        clear = "\r\033[K" if _redraws() else ""
        print(clear + line(_coloured(mark, colour), name, taken, current.detail), flush=True)


def _redraw(current: Step, stop: threading.Event) -> None:
    while not stop.wait(REDRAW_SECONDS):
        taken = duration(time.monotonic() - current.started)
        text = line("…", current.name, taken, current.detail)[: _columns() - 1]
        print(f"\r\033[K{_coloured(text, DIM)}", end="", flush=True)


def _redraws() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def _columns() -> int:
    return os.get_terminal_size().columns


def _coloured(text: str, code: str) -> str:
    if "NO_COLOR" in os.environ or not sys.stdout.isatty():
        return text
    return f"\033[{code}m{text}\033[0m"
