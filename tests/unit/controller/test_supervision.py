"""Supervision of background tasks in a real event loop."""

from __future__ import annotations

import asyncio

import pytest
from freehold.controller import supervision
from freehold.controller.metrics import RESTARTS


async def test_failed_task_is_started_again(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A task that fails or ends is logged with its name, and started again."""
    monkeypatch.setattr(supervision, "FIRST_PAUSE", 0.0)
    runs, running = 0, asyncio.Event()

    async def run() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise RecursionError("[" * 10)
        if runs == 3:
            running.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(supervision.supervise("replication", run))
    await asyncio.wait_for(running.wait(), 10)
    assert not task.done()
    messages = [record.getMessage() for record in caplog.records]
    assert [message.split(";")[0] for message in messages] == ["task replication failed", "task replication ended"]
    assert RESTARTS.labels("replication")._value.get() == 2
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_pauses_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses of a task that fails again and again grow up to a limit."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 10:
            raise asyncio.CancelledError

    async def run() -> None:
        raise ValueError

    monkeypatch.setattr(asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await supervision.supervise("test", run)
    assert pauses == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]
