"""Fixtures: a lab for each module, and a pair of servers for each test, a primary and its standby."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.move.machine import postgresql_programs, roomy_folder
from tests.move.primary import running
from tests.move.rows import write
from tests.move.servers import Lab, Server

TABLE = "CREATE TABLE entries (number bigserial PRIMARY KEY, id text NOT NULL)"
"""The table of rows; id is not unique, so that a row that is written twice is visible."""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    if postgresql_programs() is None:
        pytest.fail("PostgreSQL's server programs are missing; on Debian: apt-get install postgresql", pytrace=False)
    folder = Path(tempfile.mkdtemp(prefix="move-", dir=roomy_folder()))
    folder.chmod(0o755)
    made = Lab(folder)
    try:
        first = made.server()
        first.start()
        first.wait_ready()
        with first.connect("owner") as owner:
            owner.execute(TABLE)
        first.stop()
        made.template = first.data.rename(folder / "template")
        yield made
    finally:
        made.end()
        shutil.rmtree(folder)


@pytest.fixture
def pair(lab: Lab) -> Iterator[tuple[Server, Server]]:
    source, target = lab.server(), lab.server(copied=False)
    try:
        source.start()
        source.wait_ready()
        target.start(source)
        target.wait_ready()
        yield source, target
    finally:
        lab.end()


@pytest.fixture
def source(lab: Lab) -> Iterator[Server]:
    with running(lab) as made:
        write(made, "before")
        yield made


@pytest.fixture
def copy(source: Server) -> Server:
    return source.lab.server(copied=False)
