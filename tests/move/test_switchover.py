"""Cases in which a switchover refuses to fence or promote a server."""

from __future__ import annotations

import pytest

from tests.move.programs import outcome_of, start_switchover
from tests.move.servers import Lab, Server


@pytest.fixture
def promoted(pair: tuple[Server, Server]) -> tuple[Server, Server]:
    """Two servers that are both open, since the standby was promoted by hand."""
    source, target = pair
    target.ask("SELECT pg_promote()")
    with source.connect() as client:
        client.execute("INSERT INTO entries (id) VALUES ('elsewhere nowhere')")
    return source, target


def test_switchover_copy_behind(pair: tuple[Server, Server]) -> None:
    """A copy without the last record is not promoted."""
    source, target = pair
    target.ask("SELECT pg_wal_replay_pause()")
    found = outcome_of(start_switchover(source, target))
    assert (found["outcome"], found["discard"]) == ("failed", False)
    assert "the switchover marker was not replayed in time" in found["message"]
    assert source.is_open()
    assert target.ask("SELECT pg_is_in_recovery()")

    target.ask("SELECT pg_wal_replay_resume()")
    assert outcome_of(start_switchover(source, target))["outcome"] == "completed"


def test_switchover_promoted_too_early(promoted: tuple[Server, Server]) -> None:
    """A server that was promoted without all records of the closed server is not opened."""
    for server in promoted:
        server.close()
    run = start_switchover(*promoted, DEADLINE_SECONDS="2")
    assert run.end() == 1
    assert "was promoted without all data of" in run.output()
    assert not any(server.is_open() for server in promoted)


def test_switchover_two_primaries(promoted: tuple[Server, Server]) -> None:
    """Of two servers that are open for writes, neither is closed."""
    run = start_switchover(*promoted, DEADLINE_SECONDS="2")
    assert run.end() == 1
    assert "are both writable, which no switchover does" in run.output()
    assert all(server.is_open() for server in promoted)


def test_switchover_unrelated_copy(pair: tuple[Server, Server], lab: Lab) -> None:
    """A server is not closed for a server that is no copy of it."""
    _, follower = pair
    other = lab.server(copied=False)
    other.start()
    other.wait_ready()
    run = start_switchover(other, follower)
    found = outcome_of(run)
    assert (found["outcome"], found["discard"]) == ("failed", True)
    assert run.at("fencing") is None
