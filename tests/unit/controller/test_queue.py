"""The work queue, in a real event loop: one at a time for each service, nothing lost, nothing hurried."""

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
    """Let everything that can run do so."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_service_is_in_the_queue_once() -> None:
    done: list[Key] = []

    async def work(key: Key) -> None:
        done.append(key)

    async with working(work) as queue:
        for _ in range(5):
            queue.wake(USERS)
        queue.wake(PAYMENTS)
        await idle()
    assert done == [USERS, PAYMENTS]


async def test_a_service_is_in_work_once_and_others_beside_it() -> None:
    gate = asyncio.Event()
    at_work: list[Key] = []
    most: dict[Key, int] = {}

    async def work(key: Key) -> None:
        at_work.append(key)
        most[key] = max(most.get(key, 0), at_work.count(key))
        await gate.wait()
        at_work.remove(key)

    async with working(work) as queue:
        queue.wake(USERS)
        await idle()
        queue.wake(USERS)
        queue.wake(PAYMENTS)
        await idle()
        assert sorted(at_work) == [PAYMENTS, USERS]
        gate.set()
        await idle()
    assert most == {USERS: 1, PAYMENTS: 1}


async def test_waking_a_service_in_work_runs_it_once_more_however_often_it_is_woken() -> None:
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


async def test_a_service_that_fails_is_tried_again_after_ever_longer_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "FIRST_PAUSE", 0.02)
    times: list[float] = []

    async def work(_: Key) -> None:
        times.append(asyncio.get_running_loop().time())
        if len(times) < 4:
            raise TransientError(503, "busy") if len(times) % 2 else RuntimeError("a fault of ours")

    async with working(work) as queue:
        queue.wake(USERS)
        await asyncio.sleep(0.5)
    assert len(times) == 4
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert [pause >= least for pause, least in zip(pauses, (0.019, 0.039, 0.079), strict=True)] == [True] * 3


async def test_a_success_makes_the_next_pause_short_again(monkeypatch: pytest.MonkeyPatch) -> None:
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


async def test_a_failure_hinders_no_other_and_pauses_have_an_end() -> None:
    done: list[Key] = []

    async def work(key: Key) -> None:
        if key == USERS:
            raise RuntimeError("a fault of ours")
        done.append(key)

    async with working(work, workers=1) as queue:
        queue.wake(USERS)
        queue.wake(PAYMENTS)
        await idle()
        pauses = [queue._next_pause(USERS) for _ in range(20)]
    assert done == [PAYMENTS]
    assert pauses == sorted(pauses) and pauses[-1] == queues.LONGEST_PAUSE


async def test_a_service_that_asks_to_be_looked_at_again_is() -> None:
    wishes: list[float | None] = [0.02, None]
    runs = 0

    async def work(_: Key) -> float | None:
        nonlocal runs
        runs += 1
        return wishes[runs - 1]

    async with working(work) as queue:
        queue.wake(USERS)
        await asyncio.sleep(0.2)
    assert runs == 2


async def test_the_earlier_of_two_wishes_counts() -> None:
    runs: list[float] = []

    async def work(_: Key) -> None:
        runs.append(asyncio.get_running_loop().time())

    async with working(work) as queue:
        begun = asyncio.get_running_loop().time()
        queue.wake_in(USERS, 60)
        queue.wake_in(USERS, 0.02)
        queue.wake_in(USERS, 60)
        await asyncio.sleep(0.2)
    assert len(runs) == 1 and runs[0] - begun < 0.15


async def test_a_service_that_is_gone_is_not_looked_at_later() -> None:
    runs: list[Key] = []

    async def work(key: Key) -> None:
        runs.append(key)

    async with working(work) as queue:
        queue.wake_in(USERS, 0.02)
        queue.forget(USERS)
        await asyncio.sleep(0.1)
    assert runs == []
