"""Databases and servers of a test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness import SERVING, Database, Server, empty_database, migrated_database


@pytest.fixture
def empty() -> Database:
    """A database without tables."""
    return empty_database()


@pytest.fixture
def database() -> Database:
    """A database with the schema of this release."""
    return migrated_database()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers, with more environment if named, and ends them after the test."""
    started: list[Server] = []

    def one(database: Database, **more: str) -> Server:
        started.append(Server(database, tmp_path / "log", **more))
        return started[-1]

    yield one
    for server in started:
        server.close()


@pytest.fixture
def server(database: Database, start: Callable[..., Server]) -> Server:
    """A server that is ready."""
    running = start(database)
    running.await_health(SERVING)
    return running
