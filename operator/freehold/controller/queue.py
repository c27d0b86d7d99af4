"""The work queue: each service is queued at most once, and processed by at most a single worker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from freehold.controller.metrics import FAILURES
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
        self._waiting: asyncio.Queue[Key] = asyncio.Queue()
        self._queued: set[Key] = set()
        self._busy: set[Key] = set()
        self._again: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}

    def wake(self, key: Key) -> None:
        """Queue a service."""
        if key in self._busy:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._waiting.put_nowait(key)

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
            key = await self._waiting.get()
            self._queued.discard(key)
            self._busy.add(key)
            try:
                await self._process(key)
            finally:
                self._busy.discard(key)
                if key in self._again:
                    self._again.discard(key)
                    self.wake(key)

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
