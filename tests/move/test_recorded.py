"""A server that is known to hold data starts with the data, or not at all (start.sh)."""

from __future__ import annotations

import json
import shutil

import pytest
from freehold.core.database import loss

from tests.move.rows import follows
from tests.move.servers import Server


@pytest.fixture
def emptied(source: Server) -> Server:
    """A server whose volume is known to hold the data, after the loss of the volume's content."""
    (source.folder / "freehold/recorded").write_text(source.name)
    source.stop()
    shutil.rmtree(source.data)
    return source


def test_start_volume_emptied(emptied: Server) -> None:
    """A server whose volume has held the data does not start on an empty one, until the record is gone."""
    emptied.start()
    assert emptied.ended()
    assert "the volume has held the data of this service, and is empty" in emptied.log
    assert json.loads((emptied.folder / "termination-log").read_text())["outcome"] == loss.EMPTY
    assert not emptied.data.exists()
    (emptied.folder / "freehold/recorded").unlink()
    emptied.start()
    emptied.wait_ready()
    assert emptied.ask("SELECT to_regclass('entries')", "app") is None


def test_start_recorded_data(source: Server, copy: Server) -> None:
    """A recorded server starts with its data, and a standby on its empty volume."""
    for server in (source, copy):
        (server.folder / "freehold/recorded").write_text(source.name)
    source.stop()
    source.start()
    source.wait_ready()
    copy.start(follow=source)
    follows(copy, "before")
