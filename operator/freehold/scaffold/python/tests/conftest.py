"""Fixtures: a database and servers for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness import SERVING, Database, Server, empty_database, migrated_database


@pytest.fixture
def empty() -> Database:
    """Return a database without tables."""
    return empty_database()


@pytest.fixture
def database() -> Database:
    """Return a database with the schema of this release."""
    return migrated_database()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Return a function that starts servers, with additional environment; stop them after the test."""
    started: list[Server] = []

    def start_server(database: Database, **more: str) -> Server:
        started.append(Server(database, tmp_path / "log", **more))
        return started[-1]

    yield start_server
    for server in started:
        server.close()


@pytest.fixture
def server(database: Database, start: Callable[..., Server]) -> Server:
    """Return a server that is ready."""
    running = start(database)
    running.await_health(SERVING)
    return running
