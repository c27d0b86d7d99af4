"""Cases in which a switchover refuses to fence or promote a server."""

from __future__ import annotations

import pytest

from tests.move.programs import outcome_of, switch
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
    found = outcome_of(switch(source, target))
    assert (found["outcome"], found["discard"]) == ("kept", False)
    assert "it does not show the last thing that was written" in found["said"]
    assert source.is_open()
    assert target.ask("SELECT pg_is_in_recovery()")

    target.ask("SELECT pg_wal_replay_resume()")
    assert outcome_of(switch(source, target))["outcome"] == "moved"


def test_switchover_promoted_too_early(promoted: tuple[Server, Server]) -> None:
    """A server that was promoted without all records of the closed server is not opened."""
    for server in promoted:
        server.close()
    run = switch(*promoted, DEADLINE_SECONDS="2")
    assert run.end() == 1
    assert "was promoted without all that" in run.said()
    assert not any(server.is_open() for server in promoted)


def test_switchover_two_primaries(promoted: tuple[Server, Server]) -> None:
    """Of two servers that are open for writes, neither is closed."""
    run = switch(*promoted, DEADLINE_SECONDS="2")
    assert run.end() == 1
    assert "are both open, which no switch does" in run.said()
    assert all(server.is_open() for server in promoted)


def test_switchover_unrelated_copy(pair: tuple[Server, Server], lab: Lab) -> None:
    """A server is not closed for a server that is no copy of it."""
    _, follower = pair
    other = lab.server(copied=False)
    other.start()
    other.wait_ready()
    run = switch(other, follower)
    found = outcome_of(run)
    assert (found["outcome"], found["discard"]) == ("kept", True)
    assert run.at("closing") is None
