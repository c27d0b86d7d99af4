"""How a server becomes the copy of another one, and again after whatever came between (start.sh)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.move.machine import wait_until
from tests.move.programs import outcome_of, switch
from tests.move.servers import Lab, Server

ROOM_BYTES = 24 * 1024 * 1024
"""Less than an empty database takes."""
WRITE = "INSERT INTO entries (id) VALUES (%s)"
ROWS = "SELECT string_agg(id, ' ' ORDER BY number) FROM entries"


@pytest.fixture
def source(lab: Lab) -> Iterator[Server]:
    made = lab.server()
    try:
        made.start()
        made.wait_ready()
        write(made, "before")
        yield made
    finally:
        lab.end()


@pytest.fixture
def copy(source: Server) -> Server:
    return source.lab.server(copied=False)


@pytest.fixture
def moved(source: Server, copy: Server) -> tuple[Server, Server]:
    """The one that was left, closed and stopped, and the one that is open, which has gone on since."""
    copy.start(follow=source)
    copy.wait_ready()
    assert outcome_of(switch(source, copy))["outcome"] == "completed"
    source.ask("SELECT pg_switch_wal()")  # what the other one never gets
    source.ask("CHECKPOINT")
    source.stop()
    write(copy, "after")
    return source, copy


@pytest.fixture
def small_disk(copy: Server) -> Iterator[Path]:
    """Where the copy is to be."""
    if os.geteuid():
        pytest.skip("only root can mount a disk that is small enough to be filled")
    folder = copy.data.parent
    options = f"size={ROOM_BYTES},mode=0777"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "small", folder], check=False).returncode:
        pytest.skip("this machine mounts nothing, and so no disk that is small enough to be filled")
    yield folder
    copy.stop()
    subprocess.run(["umount", folder], check=True)


def write(server: Server, name: str) -> None:
    with server.connect() as client:
        client.execute(WRITE, (name,))


def follows(server: Server, rows: str) -> None:
    """It is a standby and shows these rows."""
    server.wait_ready()
    assert server.ask("SELECT pg_is_in_recovery()")
    wait_until(lambda: server.ask(ROWS, "app") == rows, f"{server.name} shows {rows}")
    assert not (server.data.parent / "pgdata.unusable").exists()


def test_a_fresh_one_is_copied_and_follows(source: Server, copy: Server) -> None:
    copy.start(follow=source)
    copy.wait_ready()
    write(source, "later")
    follows(copy, "before later")


def test_a_copying_that_was_killed_is_begun_anew(source: Server, copy: Server) -> None:
    copy.start_copying(source)
    copy.kill()
    copy.start(follow=source)
    follows(copy, "before")
    assert copy.log.count(f"base backup of {source.host} is complete") == 1
    assert [entry.name for entry in copy.data.parent.iterdir()] == [copy.data.name]


def test_a_disk_that_is_full_hinders_the_copy_alone(source: Server, copy: Server, small_disk: Path) -> None:
    copy.start(follow=source)
    assert copy.ended()
    assert "No space left on device" in copy.log
    assert not copy.data.exists()
    write(source, "meanwhile")
    subprocess.run(["mount", "-o", "remount,size=0", small_disk], check=True)
    copy.start(follow=source)
    follows(copy, "before meanwhile")


def test_one_whose_source_is_away_says_so_and_can_try_again(source: Server, copy: Server) -> None:
    source.stop()
    copy.start(follow=source)
    assert copy.ended()
    assert f"cannot take a base backup: {source.host} is unreachable" in copy.log
    source.start()
    copy.start(follow=source)
    follows(copy, "before")


def test_one_that_was_left_goes_back_and_follows(moved: tuple[Server, Server]) -> None:
    left, leader = moved
    left.start(follow=leader)
    follows(left, "before after")
    assert "rewinding from last common checkpoint" in left.log
    assert "taking a new base backup" not in left.log


def test_one_that_cannot_go_back_is_copied_anew(moved: tuple[Server, Server]) -> None:
    """What it wrote since the two parted is recycled, so that nobody knows what to take back."""
    left, leader = moved
    parted = (leader.data / "pg_wal/00000002.history").read_text().split()[1]
    segment = leader.ask(f"SELECT '00000001' || substr(pg_walfile_name('{parted}'), 9)")
    (left.data / "pg_wal" / segment).unlink()
    left.start(follow=leader)
    follows(left, "before after")
    assert "the data is unusable: taking a new base backup" in left.log


def test_one_that_was_ended_while_it_went_back_is_copied_anew(moved: tuple[Server, Server]) -> None:
    left, leader = moved
    (left.data.parent / "pgdata.unusable").touch()
    left.start(follow=leader)
    follows(left, "before after")
    assert "the data is unusable: taking a new base backup" in left.log


def test_one_that_was_left_and_cannot_reach_the_other_stays_closed_and_follows_later(
    moved: tuple[Server, Server],
) -> None:
    left, leader = moved
    leader.stop()
    left.start(follow=leader)
    left.wait_ready()
    assert not left.is_open()
    leader.start()
    assert left.ended(), "its container is started again"
    left.start(follow=leader)
    follows(left, "before after")


def test_one_that_was_away_for_longer_than_the_log_is_kept_is_copied_anew(source: Server, copy: Server) -> None:
    copy.start(follow=source)
    copy.wait_ready()
    copy.stop()
    write(source, "meanwhile")
    for _ in range(8):
        source.ask("SELECT pg_switch_wal() FROM pg_logical_emit_message(false, 'a', 'segment')")
    source.ask("CHECKPOINT")
    copy.start(follow=source)
    assert copy.ended(), "its container is started again"
    assert "has already been removed" in copy.log
    copy.start(follow=source)
    follows(copy, "before meanwhile")
    assert "taking a new base backup" in copy.log


def test_two_that_are_open_are_left_to_people(moved: tuple[Server, Server]) -> None:
    """What either holds may be nowhere else."""
    left, leader = moved
    left.start()
    left.wait_ready()
    left.open()
    write(left, "elsewhere")
    left.stop()
    left.start(follow=leader)
    assert left.ended()
    assert "not starting: this server and" in left.log and "then fence the wrong one" in left.log
    left.start()
    left.wait_ready()
    assert left.ask(ROWS, "app") == "before elsewhere"
