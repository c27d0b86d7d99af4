"""The work queue in a real event loop."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from freehold.controller import queue as queues
from freehold.controller.queue import Queue
from freehold.core.model.resources import Key
from freehold.kube.errors import TransientError

USERS, PAYMENTS = Key("shop", "users"), Key("shop", "payments")
Work = Callable[[Key], Awaitable[float | None]]


@asynccontextmanager
async def working(work: Work, workers: int = 3) -> AsyncIterator[Queue]:
    queue = Queue(work)
    tasks = [asyncio.create_task(queue.run()) for _ in range(workers)]
    try:
        yield queue
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def idle() -> None:
    """Let all ready tasks run."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_service_queued_once() -> None:
    """A service that is woken several times is queued once."""
    done: list[Key] = []

    async def work(key: Key) -> None:
        done.append(key)

    async with working(work) as queue:
        for _ in range(5):
            queue.wake(USERS)
        queue.wake(PAYMENTS)
        await idle()
    assert done == [USERS, PAYMENTS]


async def test_service_processed_by_single_worker() -> None:
    """A service is processed by a single worker, and other services concurrently."""
    gate = asyncio.Event()
    running: list[Key] = []
    most: dict[Key, int] = {}

    async def work(key: Key) -> None:
        running.append(key)
        most[key] = max(most.get(key, 0), running.count(key))
        await gate.wait()
        running.remove(key)

    async with working(work) as queue:
        queue.wake(USERS)
        await idle()
        queue.wake(USERS)
        queue.wake(PAYMENTS)
        await idle()
        assert sorted(running) == [PAYMENTS, USERS]
        gate.set()
        await idle()
    assert most == {USERS: 1, PAYMENTS: 1}


async def test_wake_while_busy_runs_once_more() -> None:
    """Waking a busy service several times runs work once more."""
    gate = asyncio.Event()
    runs = 0

    async def work(_: Key) -> None:
        nonlocal runs
        runs += 1
        await gate.wait()

    async with working(work) as queue:
        queue.wake(USERS)
        await idle()
        for _ in range(3):
            queue.wake(USERS)
        gate.set()
        await idle()
    assert runs == 2


async def test_failure_retried_with_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed service is retried after exponentially growing pauses."""
    monkeypatch.setattr(queues, "FIRST_PAUSE", 0.02)
    times: list[float] = []

    async def work(_: Key) -> None:
        times.append(asyncio.get_running_loop().time())
        if len(times) < 4:
            raise TransientError(503, "busy") if len(times) % 2 else RuntimeError("unexpected")

    async with working(work) as queue:
        queue.wake(USERS)
        await asyncio.sleep(0.5)
    assert len(times) == 4
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert [pause >= least for pause, least in zip(pauses, (0.019, 0.039, 0.079), strict=True)] == [True] * 3


async def test_success_resets_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """A success resets the backoff."""
    monkeypatch.setattr(queues, "FIRST_PAUSE", 0.05)
    outcomes = iter([False, False, True, False, True])
    times: list[float] = []

    async def work(_: Key) -> None:
        times.append(asyncio.get_running_loop().time())
        if not next(outcomes):
            raise TransientError(503, "busy")

    async with working(work) as queue:
        queue.wake(USERS)
        await asyncio.sleep(0.25)
        queue.wake(USERS)
        await asyncio.sleep(0.15)
    assert len(times) == 5
    assert times[4] - times[3] < 0.09


async def test_failure_isolated_and_backoff_capped() -> None:
    """A failing service does not delay others, and pauses are capped."""
    done: list[Key] = []

    async def work(key: Key) -> None:
        if key == USERS:
            raise RuntimeError("unexpected")
        done.append(key)

    async with working(work, workers=1) as queue:
        queue.wake(USERS)
        queue.wake(PAYMENTS)
        await idle()
        pauses = [queue._next_pause(USERS) for _ in range(20)]
    assert done == [PAYMENTS]
    assert pauses == sorted(pauses) and pauses[-1] == queues.LONGEST_PAUSE


async def test_requested_pause_respected() -> None:
    """A service is processed again after the pause that work returned."""
    pauses: list[float | None] = [0.02, None]
    runs = 0

    async def work(_: Key) -> float | None:
        nonlocal runs
        runs += 1
        return pauses[runs - 1]

    async with working(work) as queue:
        queue.wake(USERS)
        await asyncio.sleep(0.2)
    assert runs == 2


async def test_earlier_timer_wins() -> None:
    """Of several timers of a service, the earliest counts."""
    runs: list[float] = []

    async def work(_: Key) -> None:
        runs.append(asyncio.get_running_loop().time())

    async with working(work) as queue:
        start = asyncio.get_running_loop().time()
        queue.wake_in(USERS, 60)
        queue.wake_in(USERS, 0.02)
        queue.wake_in(USERS, 60)
        await asyncio.sleep(0.2)
    assert len(runs) == 1 and runs[0] - start < 0.15


async def test_forgotten_service_not_processed() -> None:
    """The timer of a forgotten service is cancelled."""
    runs: list[Key] = []

    async def work(key: Key) -> None:
        runs.append(key)

    async with working(work) as queue:
        queue.wake_in(USERS, 0.02)
        queue.forget(USERS)
        await asyncio.sleep(0.1)
    assert runs == []
