"""The work queue: each service at most once in it, and one at a time in work."""

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
    """Services that may have something to do.

    work: reconciles one, and says after how many seconds it wants to be looked at again (None: when something
    happens). It is never run twice at once for one service; a wake in the meantime runs it once more. When it raises,
    it is tried again, after ever longer pauses.
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
        """There may be something to do for this service."""
        if key in self._busy:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._waiting.put_nowait(key)

    def wake_in(self, key: Key, seconds: float) -> None:
        """The same, after some time; the earlier of two wishes counts."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer and not timer.cancelled() and loop.time() < timer.when() <= loop.time() + seconds:
            return
        if timer:
            timer.cancel()
        self._timers[key] = loop.call_later(seconds, self._ring, key)

    def forget(self, key: Key) -> None:
        """The service is gone."""
        self._failures.pop(key, None)
        timer = self._timers.pop(key, None)
        if timer:
            timer.cancel()

    async def run(self) -> None:
        """Work until cancelled; run several of these side by side."""
        while True:
            key = await self._waiting.get()
            self._queued.discard(key)
            self._busy.add(key)
            try:
                await self._once(key)
            finally:
                self._busy.discard(key)
                if key in self._again:
                    self._again.discard(key)
                    self.wake(key)

    def _ring(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.wake(key)

    async def _once(self, key: Key) -> None:
        try:
            pause = await self._work(key)
        except TransientError as error:
            pause = self._next_pause(key)
            logger.warning("%s: %s; again in %.1f s", key, error.message, pause)
        except Exception:
            pause = self._next_pause(key)
            logger.exception("%s: failed; again in %.1f s", key, pause)
        else:
            self._failures.pop(key, None)
        if pause is not None:
            self.wake_in(key, pause)

    def _next_pause(self, key: Key) -> float:
        FAILURES.inc()
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        return float(min(FIRST_PAUSE * 2 ** min(failures - 1, 10), LONGEST_PAUSE))
