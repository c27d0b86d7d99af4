"""Tests of the machine record: an ended process, or another process with the same id, is not the machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from localcluster.errors import LocalClusterError
from localcluster.machine import Machine, check_reachable, started_at


def record(root: Path, pid: int, started: str | None) -> Machine:
    machine = Machine("node", root, ())
    machine.record.write_text(json.dumps({"pid": pid, "started": started, "since": 0.0}))
    return machine


def test_running_matches_id_and_start_time(tmp_path: Path) -> None:
    """A process is identified by process id and start time."""
    machine = record(tmp_path, os.getpid(), started_at(os.getpid()))
    assert machine.running() == os.getpid()


def test_running_ignores_reused_id(tmp_path: Path) -> None:
    """A process with the recorded id and another start time is neither reported nor killed."""
    with subprocess.Popen(["sleep", "1000"]) as other:
        machine = record(tmp_path, other.pid, "1")
        assert machine.running() is None
        machine.stop()
        assert other.poll() is None
        other.kill()


def test_stop_kills_and_removes_record(tmp_path: Path) -> None:
    """`stop` kills the recorded process and deletes the record."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        machine = record(tmp_path, process.pid, started_at(process.pid))
        machine.stop()
        assert process.wait() == -signal.SIGKILL
    assert not machine.record.exists()


def test_running_after_end(tmp_path: Path) -> None:
    """A process that has ended is not running."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        machine = record(tmp_path, process.pid, started_at(process.pid))
        process.kill()
    assert machine.running() is None


def test_running_incomplete_record(tmp_path: Path) -> None:
    """An incompletely written record counts as no record."""
    machine = Machine("node", tmp_path, ())
    machine.record.write_text('{"pid": 1')
    assert machine.running() is None


def test_check_reachable_hidden_folder() -> None:
    """A cache folder that a node would hide is refused, with the setting that moves the cache."""
    with pytest.raises(LocalClusterError, match="FREEHOLD_CACHE"):
        check_reachable(Path("/var/lib/freehold/cluster"))
    check_reachable(Path("/home/ada/.cache/freehold"))


def test_failures_lists_ended_services(tmp_path: Path) -> None:
    """Failures are the services that ended recently, with the end of their log."""
    machine = Machine("node", tmp_path, ())
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "kubelet.log").write_text("fine\nno space left on device\n")
    machine.journal.write_text("2030-01-01T00:00:00 kubelet started\n2030-01-01T00:00:01 kubelet ended with 1; again\n")
    (failure,) = machine.failures()
    assert "kubelet" in failure
    assert "no space left on device" in failure


def test_has_network_deleted_namespace(tmp_path: Path) -> None:
    """A running machine whose network namespace was deleted has no network."""
    machine = record(tmp_path, os.getpid(), started_at(os.getpid()))
    assert machine.running()
    assert not machine.has_network()
