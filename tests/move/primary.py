"""A single server that is ready, the primary of a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.move.servers import Lab, Server


@contextmanager
def running(lab: Lab, settings: tuple[str, ...] = ()) -> Iterator[Server]:
    """Start a server with the data of the template; at the end, end all servers of the lab. settings: arguments."""
    made = lab.server()
    made.settings = settings
    try:
        made.start()
        made.wait_ready()
        yield made
    finally:
        lab.end()
