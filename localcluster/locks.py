"""An exclusive lock on a file; the kernel releases the lock when the holding process ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import LocalClusterError


@contextmanager
def locked(path: Path, holder: str, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock; with `wait=False`, raise LocalClusterError about `holder` if the lock is taken."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise LocalClusterError(f"{holder} is running (lock: {path}); try again when it has finished") from error
        yield
