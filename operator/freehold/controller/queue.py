"""The work queue: the namespaces take turns, and each service is processed by at most a single worker.

A namespace may hold a worker more only while fewer workers are held by the namespace than are free. One busy namespace
so gets half of the workers, the next one half of the rest, and a namespace without work in progress always finds a
worker until very many are busy (Choudhury and Hahne, 'Dynamic Queue Length Thresholds for Shared-Memory Packet
Switches', 1998).
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable

from freehold.controller.metrics import FAILURES
from freehold.core.model.lanes import Lanes
from freehold.core.model.resources import Key
from freehold.kube.errors import TransientError

logger = logging.getLogger(__name__)
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 60.0


class Queue:
    """The services to reconcile.

    work: reconciles a service, and returns the seconds until the next reconciliation, or None to wait for a wake. Work
    for a service never runs concurrently; a wake meanwhile runs it once more. After an exception, work is retried with
    exponential backoff.
    """

    def __init__(self, work: Callable[[Key], Awaitable[float | None]]) -> None:
        self._work = work
        self._waiting: Lanes[Key] = Lanes()
        self._changed = asyncio.Event()
        self._free = 0
        self._held: Counter[str] = Counter()
        self._busy: set[Key] = set()
        self._again: dict[Key, set[str]] = {}
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}

    def wake(self, key: Key, lane: str = "") -> None:
        """Queue a service. lane: the namespace that pays for the work; the service's own by default."""
        if key in self._busy:
            self._again.setdefault(key, set()).add(lane)
        else:
            self._waiting.put(lane or key.namespace, key)
            self._changed.set()

    def wake_in(self, key: Key, seconds: float) -> None:
        """Queue a service after some seconds, or earlier if an earlier timer exists."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer and not timer.cancelled() and loop.time() < timer.when() <= loop.time() + seconds:
            return
        if timer:
            timer.cancel()
        self._timers[key] = loop.call_later(seconds, self._expire, key)

    def forget(self, key: Key) -> None:
        """Remove the timer and the failure count of a deleted service."""
        self._failures.pop(key, None)
        timer = self._timers.pop(key, None)
        if timer:
            timer.cancel()

    async def run(self) -> None:
        """Process services until cancelled. Several may run concurrently."""
        while True:
            lane, key = await self._next()
            try:
                await self._process(key)
            finally:
                self._release(lane, key)

    async def _next(self) -> tuple[str, Key]:
        """Wait for a service whose lane may hold a worker more, and mark both as busy."""
        self._free += 1
        try:
            while not (taken := self._waiting.take(lambda lane: self._held[lane] < self._free)):
                self._changed.clear()
                await self._changed.wait()
        finally:
            self._free -= 1
        lane, key = taken
        self._held[lane] += 1
        self._busy.add(key)
        return lane, key

    def _release(self, lane: str, key: Key) -> None:
        self._held[lane] -= 1
        if not self._held[lane]:
            del self._held[lane]
        self._busy.discard(key)
        for waker in self._again.pop(key, ()):
            self.wake(key, waker)
        self._changed.set()  # a lane that had its share may be admitted now

    def _expire(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.wake(key)

    async def _process(self, key: Key) -> None:
        try:
            pause = await self._work(key)
        except TransientError as error:
            pause = self._next_pause(key)
            logger.warning("%s: %s; retry in %.1f s", key, error.message, pause)
        except Exception:
            pause = self._next_pause(key)
            logger.exception("%s: reconciliation failed; retry in %.1f s", key, pause)
        else:
            self._failures.pop(key, None)
        if pause is not None:
            self.wake_in(key, pause)

    def _next_pause(self, key: Key) -> float:
        FAILURES.inc()
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        return float(min(FIRST_PAUSE * 2 ** min(failures - 1, 10), LONGEST_PAUSE))
