"""A server on a small volume: the WAL is bounded, and a full volume leaves a way out (volume.sh)."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.move.machine import wait_until
from tests.move.programs import outcome_of, start_switchover
from tests.move.rows import ROWS, write
from tests.move.servers import SHIPPED, Lab, Server

MEBIBYTE = 1024**2
VOLUME_MEBIBYTES = 256
RESERVE_BYTES = 32 * MEBIBYTE
BURST = "SELECT count(pg_logical_emit_message(false, 'test', repeat('x', 1048576))) FROM generate_series(1, 400)"
"""More WAL than the volume is large, and no rows."""
SETTINGS = ("max_wal_size", "min_wal_size", "wal_keep_size", "max_slot_wal_keep_size")


@pytest.fixture
def small(lab: Lab) -> Iterator[Server]:
    """A running server on a volume that is as small as declared."""
    if os.geteuid():
        pytest.skip("only root can mount a disk that is small enough to be filled")
    made = lab.server(copied=False)
    folder = made.data.parent
    options = f"size={VOLUME_MEBIBYTES}m,mode=0777"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "small", folder], check=False).returncode:
        pytest.skip("this machine mounts nothing, and so no disk that is small enough to be filled")
    try:
        assert lab.template
        subprocess.run(["cp", "-a", lab.template, made.data], check=True)
        (made.folder / "freehold/volume-mebibytes").write_text(str(VOLUME_MEBIBYTES))
        made.start()
        made.wait_ready()
        write(made, "before")
        yield made
    finally:
        made.stop()
        subprocess.run(["umount", folder], check=True)
        lab.end()


def rows(server: Server) -> str:
    return str(server.ask(ROWS, "app"))


def fill(server: Server) -> Path:
    """Fill the volume of a server to the last byte; return the file that does."""
    filler = server.data.parent / "filler"
    with filler.open("ab", buffering=0) as file:
        try:
            while file.write(bytes(MEBIBYTE)) == MEBIBYTE:
                pass
        except OSError:
            pass
    return filler


@pytest.fixture
def full(small: Server) -> Server:
    """A server that has stopped because its volume is full."""
    wait_until(lambda: stops(small), "the server has stopped")
    assert small.ended()
    assert "No space left on device" in small.log
    return small


def stops(server: Server) -> bool:
    """Fill the volume and write; a server that still has the room to recover goes on afterwards."""
    fill(server)
    with contextlib.suppress(psycopg.OperationalError), server.connect() as client:
        client.execute(BURST)
    return server.started is not None and server.started.poll() is not None


@pytest.mark.parametrize(
    ("declared", "disk", "expected"),
    [
        (64, 100_000, "32 32 32 64"),
        (512, 100_000, "64 64 64 64"),
        (1024, 100_000, "128 80 128 128"),
        (8192, 100_000, "1024 80 256 1024"),
        (100_000, 100_000, "1024 80 256 12500"),
        (8192, 512, "64 64 64 64"),
        (None, 1024, "128 80 128 128"),
    ],
)
def test_volume_wal_settings(tmp_path: Path, declared: int | None, disk: int, expected: str) -> None:
    """The WAL is bounded by the declared size, or by that of the file system where less."""
    size = tmp_path / "volume-mebibytes"
    if declared:
        size.write_text(str(declared))
    script = (SHIPPED / "volume.sh").read_text().replace("/freehold/volume-mebibytes", str(size))
    table = f"Filesystem 1M-blocks Used Available Capacity Mounted\\n/dev/x {disk} 1 {disk - 1} 1%% /data\\n"
    program = (
        f"set -Eeuo pipefail; df() {{ printf '{table}'; }}\n{script}\narguments=(); bound_wal; echo ${{arguments[@]}}"
    )
    done = subprocess.run(["bash", "-c", program], env={"PGDATA": "/x/y"}, capture_output=True, text=True, check=True)
    given = dict(setting.split("=") for setting in done.stdout.replace("-c", "").split())
    assert given == {name: f"{value}MB" for name, value in zip(SETTINGS, expected.split(), strict=True)}


def test_volume_wal_burst(small: Server) -> None:
    """A burst of more WAL than the volume is large does not stop the server."""
    with small.connect(options="-c statement_timeout=0") as client:
        assert client.execute(BURST).fetchone() == (400,)
    taken = sum(file.stat().st_size for file in (small.data / "pg_wal").iterdir() if file.is_file())
    assert taken < VOLUME_MEBIBYTES * MEBIBYTE / 2
    write(small, "after")


def test_volume_full_read_only(full: Server) -> None:
    """A server whose volume is full starts again on its reserve, for reading alone."""
    before = (full.data.parent / "reserve").stat().st_size
    full.start()
    full.wait_ready()
    assert before == RESERVE_BYTES
    assert rows(full).startswith("before")
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        write(full, "more")
    full.stop()
    full.start()
    full.wait_ready()
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        write(full, "more")


def test_volume_full_room_again(full: Server) -> None:
    """A server whose full volume has room again restarts, accepts writes and keeps a reserve anew."""
    full.start()
    full.wait_ready()
    (full.data.parent / "filler").unlink()
    assert full.ended()
    full.start()
    full.wait_ready()
    write(full, "after")
    assert (full.data.parent / "reserve").stat().st_size == RESERVE_BYTES


def test_volume_full_moves(full: Server) -> None:
    """A database whose volume is full moves to a larger volume, which accepts writes."""
    full.start()
    full.wait_ready()
    larger = full.lab.server(copied=False)
    larger.start(follow=full)
    larger.wait_ready()
    assert outcome_of(start_switchover(full, larger))["outcome"] == "completed"
    wait_until(larger.is_open, "the larger server is open")
    write(larger, "after")
    assert rows(larger).endswith("after")
