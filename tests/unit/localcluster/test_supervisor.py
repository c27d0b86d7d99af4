"""Tests of the supervisor, with real processes: start order, restarts, and changes of the specification."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcluster import supervisor
from localcluster.supervisor import Service


@pytest.fixture
def started() -> Iterator[list[Service]]:
    services: list[Service] = []
    yield services
    for service in services:
        if service.process is not None:
            service.process.kill()
            service.process.wait()


def sleeper(tmp_path: Path, name: str, ready_file: str | None = None) -> Service:
    return Service(name, ["sleep", "1000"], str(tmp_path / f"{name}.log"), ready_file=ready_file)


def test_start_due_waits_for_readiness(tmp_path: Path, started: list[Service]) -> None:
    """A service starts after the services before it are ready."""
    ready = tmp_path / "ready"
    started += [sleeper(tmp_path, "agent", ready_file=str(ready)), sleeper(tmp_path, "kubelet")]
    assert not supervisor.start_due(started)
    assert started[1].process is None, "the kubelet must not run before the node's policies are in force"
    ready.touch()
    assert supervisor.start_due(started)
    assert started[1].process is not None


def test_start_due_removes_old_ready_file(tmp_path: Path, started: list[Service]) -> None:
    """A ready file of an earlier run does not count."""
    ready = tmp_path / "ready"
    ready.touch()
    started.append(sleeper(tmp_path, "agent", ready_file=str(ready)))
    assert not supervisor.start_due(started)


def test_reap_restarts_after_pause(tmp_path: Path, started: list[Service], monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that ended is restarted after RESTART_SECONDS."""
    monkeypatch.setattr(supervisor, "RESTART_SECONDS", 0.2)
    started.append(sleeper(tmp_path, "kubelet"))
    supervisor.start_due(started)
    first = started[0].process
    assert first is not None
    first.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while started[0].process is first and time.monotonic() < deadline:
        supervisor.reap(started)
    supervisor.start_due(started)
    assert started[0].process is None, "not at once"
    while started[0].process is None and time.monotonic() < deadline:
        supervisor.start_due(started)
    assert started[0].process is not None
    assert started[0].process.pid != first.pid


def test_replace_restarts_changed_service(tmp_path: Path, started: list[Service]) -> None:
    """A changed specification restarts only the services that differ."""
    before = [sleeper(tmp_path, "etcd"), sleeper(tmp_path, "kube-apiserver")]
    supervisor.start_due(before)
    changed = Service("kube-apiserver", ["sleep", "2000"], before[1].log)
    started += supervisor.replace(before, [sleeper(tmp_path, "etcd"), changed])
    assert started[0].process is before[0].process
    assert before[0].process is not None
    assert before[0].process.poll() is None
    assert before[1].process is not None
    assert before[1].process.returncode == -signal.SIGKILL
    supervisor.start_due(started)
    assert started[1].process is not None
