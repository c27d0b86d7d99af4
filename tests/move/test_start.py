"""The start of a server as a standby of another, on an empty volume and after interruptions (start.sh)."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.move.programs import outcome_of, start_switchover
from tests.move.rows import ROWS, follows, write
from tests.move.servers import Server

ROOM_BYTES = 24 * 1024 * 1024
"""Less than the size of an empty database."""


@pytest.fixture
def moved(source: Server, copy: Server) -> tuple[Server, Server]:
    """A former primary, fenced and stopped, and the new primary with later rows."""
    copy.start(follow=source)
    copy.wait_ready()
    assert outcome_of(start_switchover(source, copy))["outcome"] == "completed"
    source.ask("SELECT pg_switch_wal()")  # a row that the other server never receives
    source.ask("CHECKPOINT")
    source.stop()
    write(copy, "after")
    return source, copy


@pytest.fixture
def small_disk(copy: Server) -> Iterator[Path]:
    """The folder of the copy, a small disk."""
    if os.geteuid():
        pytest.skip("only root can mount a disk that is small enough to be filled")
    folder = copy.data.parent
    options = f"size={ROOM_BYTES},mode=0777"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "small", folder], check=False).returncode:
        pytest.skip("this machine mounts nothing, and so no disk that is small enough to be filled")
    yield folder
    copy.stop()
    subprocess.run(["umount", folder], check=True)


def test_start_fresh_copy(source: Server, copy: Server) -> None:
    """A server with an empty volume is copied and follows its source."""
    copy.start(follow=source)
    copy.wait_ready()
    write(source, "later")
    follows(copy, "before later")


def test_start_copy_killed(source: Server, copy: Server) -> None:
    """A killed initial copy starts again from the beginning and leaves no other files."""
    copy.start_copying(source)
    copy.kill()
    copy.start(follow=source)
    follows(copy, "before")
    assert copy.log.count(f"base backup of {source.host} is complete") == 1
    assert {entry.name for entry in copy.data.parent.iterdir()} == {copy.data.name, "reserve"}


def senders(source: Server) -> list[int]:
    """Return the processes of the source that send a copy."""
    found = source.ask("SELECT array_agg(pid) FROM pg_stat_activity WHERE backend_type = 'walsender'")
    return list(found or ())


def halted(source: Server, copy: Server) -> list[int]:
    """Start a slow copy, and halt its senders on the source, whose connections stay alive; return the senders."""
    copy.start_copying(source)
    found = senders(source)
    for process in found:
        os.kill(process, signal.SIGSTOP)
    copy.send(signal.SIGCONT)
    return found


def test_start_copy_slow(source: Server, copy: Server) -> None:
    """A copy that makes no progress for a while is not ended, and goes on where it was."""
    found = halted(source, copy)
    time.sleep(2)
    assert copy.started and copy.started.poll() is None
    for process in found:
        os.kill(process, signal.SIGCONT)
    follows(copy, "before")
    assert copy.log.count("taking a base backup") == 1


def test_start_copy_stalled(source: Server, copy: Server) -> None:
    """A copy without any progress for long is ended, so that the next start copies again."""
    found = halted(source, copy)
    try:
        assert copy.ended()
    finally:
        for process in found:
            os.kill(process, signal.SIGCONT)
    assert "pg_basebackup has made no progress for 30 minutes: ending it" in copy.log
    copy.start(follow=source)
    follows(copy, "before")


def test_start_disk_full(source: Server, copy: Server, small_disk: Path) -> None:
    """A full disk fails the copy and not the source, and the copy succeeds once there is space."""
    copy.start(follow=source)
    assert copy.ended()
    assert "No space left on device" in copy.log
    assert not copy.data.exists()
    write(source, "meanwhile")
    subprocess.run(["mount", "-o", "remount,size=0", small_disk], check=True)
    copy.start(follow=source)
    follows(copy, "before meanwhile")


def test_start_source_unreachable(source: Server, copy: Server) -> None:
    """An unreachable source is logged, and the next start succeeds."""
    source.stop()
    copy.start(follow=source)
    assert copy.ended()
    assert f"cannot take a base backup: {source.host} is unreachable" in copy.log
    source.start()
    copy.start(follow=source)
    follows(copy, "before")


def test_start_rewound(moved: tuple[Server, Server]) -> None:
    """A former primary is rewound and follows the new primary without a copy."""
    left, leader = moved
    left.start(follow=leader)
    follows(left, "before after")
    assert "rewinding from last common checkpoint" in left.log
    assert "taking a new base backup" not in left.log


def test_start_rewind_impossible(moved: tuple[Server, Server]) -> None:
    """A former primary without the necessary WAL is copied again.

    Its WAL since the divergence is recycled, so that pg_rewind does not know which blocks to restore.
    """
    left, leader = moved
    parted = (leader.data / "pg_wal/00000002.history").read_text().split()[1]
    segment = leader.ask(f"SELECT '00000001' || substr(pg_walfile_name('{parted}'), 9)")
    (left.data / "pg_wal" / segment).unlink()
    left.start(follow=leader)
    follows(left, "before after")
    assert "the data is unusable: taking a new base backup" in left.log


def test_start_rewind_interrupted(moved: tuple[Server, Server]) -> None:
    """A server that was stopped during its rewind is copied again."""
    left, leader = moved
    (left.data.parent / "pgdata.unusable").touch()
    left.start(follow=leader)
    follows(left, "before after")
    assert "the data is unusable: taking a new base backup" in left.log


def test_start_primary_unreachable(
    moved: tuple[Server, Server],
) -> None:
    """A former primary that cannot reach the new primary stays closed, and follows later."""
    left, leader = moved
    leader.stop()
    left.start(follow=leader)
    left.wait_ready()
    assert not left.is_open()
    leader.start()
    assert left.ended(), "its container is started again"
    left.start(follow=leader)
    follows(left, "before after")


def test_start_wal_removed(source: Server, copy: Server) -> None:
    """A standby whose WAL position is no longer kept is copied again."""
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


def test_start_two_primaries(moved: tuple[Server, Server]) -> None:
    """Of two servers that are open for writes, the follower does not start, because either may have unique rows."""
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
