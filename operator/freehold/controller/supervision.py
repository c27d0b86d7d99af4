"""Supervision of background tasks: a task that ends or fails is logged, and run again after a pause."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from freehold.controller.metrics import RESTARTS

logger = logging.getLogger(__name__)
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 60.0


async def supervise(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Run a task that is to run until cancelled, and run it again whenever it ends, with exponential backoff.

    A task that ran for LONGEST_PAUSE begins with the first pause again.
    """
    pause = FIRST_PAUSE
    while True:
        began = time.monotonic()
        try:
            await run()
            logger.error("task %s ended; it is started again in %.1f s", name, pause)
        except Exception:
            logger.exception("task %s failed; it is started again in %.1f s", name, pause)
        RESTARTS.labels(name).inc()
        if time.monotonic() - began > LONGEST_PAUSE:
            pause = FIRST_PAUSE
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
