"""The delay of the event loop, and the work that delays it.

All tenants share one event loop: while one piece of work runs, no watch is read and no answer is received.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from freehold.controller.metrics import LOOP_DELAY

logger = logging.getLogger(__name__)
INTERVAL_SECONDS = 0.02
SLOW_SECONDS = 0.05
"""A longer delay is logged."""
LOG_SECONDS = 10.0
"""The shortest time between two log lines; each line tells of the longest delay since the last line."""


class LoopMonitor:
    """Measures by how much the event loop calls back too late, and remembers the longest work in that time."""

    def __init__(self) -> None:
        self._longest = ("", 0.0)
        self._worst = (0.0, "", 0.0)
        self._logged = float("-inf")

    @contextmanager
    def working_on(self, name: object) -> Iterator[None]:
        """Measure work that does not await. name: for the log, such as the service."""
        began = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - began
            if seconds > self._longest[1]:
                self._longest = str(name), seconds

    async def run(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + INTERVAL_SECONDS
            await asyncio.sleep(INTERVAL_SECONDS)
            self.record(max(loop.time() - due, 0.0), loop.time())

    def record(self, delay: float, now: float) -> None:
        """Record a delay in seconds, and log the longest one at intervals. now: on a monotonic clock."""
        LOOP_DELAY.observe(delay)
        self._worst = max(self._worst, (delay, *self._longest))
        self._longest = ("", 0.0)
        if self._worst[0] <= SLOW_SECONDS or now < self._logged + LOG_SECONDS:
            return
        delay, name, seconds = self._worst
        cause = f"the longest work was {name}, {seconds * 1000:.0f} ms" if name else "no reconciliation ran"
        logger.warning("the event loop was blocked for %.0f ms; %s", delay * 1000, cause)
        self._worst, self._logged = (0.0, "", 0.0), now
