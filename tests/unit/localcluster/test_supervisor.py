"""The first process of a machine: order, restarts, and changes that leave the rest alone. The processes are real."""

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


def test_a_service_waits_for_those_before_it(tmp_path: Path, started: list[Service]) -> None:
    ready = tmp_path / "ready"
    started += [sleeper(tmp_path, "agent", ready_file=str(ready)), sleeper(tmp_path, "kubelet")]
    assert not supervisor.start_due(started)
    assert started[1].process is None, "the kubelet must not run before the node's policies are in"
    ready.touch()
    assert supervisor.start_due(started)
    assert started[1].process is not None


def test_a_mark_left_by_an_earlier_run_does_not_count(tmp_path: Path, started: list[Service]) -> None:
    ready = tmp_path / "ready"
    ready.touch()
    started.append(sleeper(tmp_path, "agent", ready_file=str(ready)))
    assert not supervisor.start_due(started)


def test_what_ends_is_started_again_after_a_pause(
    tmp_path: Path, started: list[Service], monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_a_change_restarts_only_the_service_it_is_about(tmp_path: Path, started: list[Service]) -> None:
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
