"""The time that stories spend on waiting for the cluster, for the table of support/story_times.py."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

COMMANDS = ("wait", "delete", "rollout")
"""kubectl's commands that return once something has become of an object."""
_waited = 0.0


@contextmanager
def waiting() -> Iterator[None]:
    """Count the block as waiting; only in the main thread, since a story's other threads run beside it."""
    global _waited
    started = time.monotonic()
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            _waited += time.monotonic() - started


def waited() -> float:
    """Seconds of waiting since this process started."""
    return _waited


def waits(arguments: Sequence[str]) -> bool:
    """Whether kubectl with these arguments waits for something."""
    return "--wait=false" not in arguments and any(command in arguments for command in COMMANDS)
