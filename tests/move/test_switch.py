"""What a switch does not do, for it cannot know that it may."""

from __future__ import annotations

import pytest

from tests.move.programs import outcome_of, switch
from tests.move.servers import Lab, Server


@pytest.fixture
def promoted(pair: tuple[Server, Server]) -> tuple[Server, Server]:
    """By somebody, and not by a switch: both are open."""
    source, target = pair
    target.ask("SELECT pg_promote()")
    with source.connect() as client:
        client.execute("INSERT INTO entries (id) VALUES ('elsewhere nowhere')")
    return source, target


def test_opens_no_copy_that_does_not_show_the_last_thing(pair: tuple[Server, Server]) -> None:
    source, target = pair
    target.ask("SELECT pg_wal_replay_pause()")
    found = outcome_of(switch(source, target))
    assert (found["outcome"], found["discard"]) == ("failed", False)
    assert "the switchover marker was not replayed in time" in found["message"]
    assert source.is_open()
    assert target.ask("SELECT pg_is_in_recovery()")

    target.ask("SELECT pg_wal_replay_resume()")
    assert outcome_of(switch(source, target))["outcome"] == "completed"


def test_opens_none_that_lacks_what_the_one_that_is_closed_holds(promoted: tuple[Server, Server]) -> None:
    for server in promoted:
        server.close()
    run = switch(*promoted, DEADLINE_SECONDS="2")
    assert run.end() == 1
    assert "was promoted without all data of" in run.said()
    assert not any(server.is_open() for server in promoted)


def test_closes_neither_of_two_that_are_open(promoted: tuple[Server, Server]) -> None:
    run = switch(*promoted, DEADLINE_SECONDS="2")
    assert run.end() == 1
    assert "are both writable, which no switchover does" in run.said()
    assert all(server.is_open() for server in promoted)


def test_closes_none_for_what_is_no_copy_of_it(pair: tuple[Server, Server], lab: Lab) -> None:
    _, follower = pair
    other = lab.server(copied=False)
    other.start()
    other.wait_ready()
    run = switch(other, follower)
    found = outcome_of(run)
    assert (found["outcome"], found["discard"]) == ("failed", True)
    assert run.at("fencing") is None
