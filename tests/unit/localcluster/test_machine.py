"""What is recorded of a machine: a process that ended, or whose id another process has now, is never taken for it."""

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


def test_a_process_is_known_by_its_id_and_its_start(tmp_path: Path) -> None:
    machine = record(tmp_path, os.getpid(), started_at(os.getpid()))
    assert machine.running() == os.getpid()


def test_a_process_with_a_reused_id_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "1000"]) as stranger:
        machine = record(tmp_path, stranger.pid, "1")
        assert machine.running() is None
        machine.stop()
        assert stranger.poll() is None
        stranger.kill()


def test_stop_ends_the_recorded_process_and_forgets_it(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "1000"]) as process:
        machine = record(tmp_path, process.pid, started_at(process.pid))
        machine.stop()
        assert process.wait() == -signal.SIGKILL
    assert not machine.record.exists()


def test_a_process_that_ended_is_not_running(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "1000"]) as process:
        machine = record(tmp_path, process.pid, started_at(process.pid))
        process.kill()
    assert machine.running() is None


def test_a_half_written_record_is_no_record(tmp_path: Path) -> None:
    machine = Machine("node", tmp_path, ())
    machine.record.write_text('{"pid": 1')
    assert machine.running() is None


def test_a_cache_that_the_node_would_hide_is_refused_with_a_way_out() -> None:
    with pytest.raises(LocalClusterError, match="FREEHOLD_CACHE"):
        check_reachable(Path("/var/lib/freehold/cluster"))
    check_reachable(Path("/home/ada/.cache/freehold"))


def test_the_troubles_of_a_machine_are_what_ended_lately(tmp_path: Path) -> None:
    machine = Machine("node", tmp_path, ())
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "kubelet.log").write_text("fine\nno space left on device\n")
    machine.journal.write_text("2030-01-01T00:00:00 kubelet started\n2030-01-01T00:00:01 kubelet ended with 1; again\n")
    (trouble,) = machine.troubles()
    assert "kubelet" in trouble
    assert "no space left on device" in trouble


def test_a_machine_whose_network_was_deleted_under_it_is_not_taken_as_well(tmp_path: Path) -> None:
    machine = record(tmp_path, os.getpid(), started_at(os.getpid()))
    assert machine.running()
    assert not machine.has_network()
