"""One at a time: a lock on a file, which the kernel lets go when its holder ends, however it ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import LocalClusterError


@contextmanager
def locked(path: Path, holder: str, *, wait: bool = True) -> Iterator[None]:
    """Holds the lock; waits for `holder` to finish, or with `wait=False` says that it is at work and gives up."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise LocalClusterError(f"{holder} is at work (it holds {path}); run this again when it is done") from error
        yield
