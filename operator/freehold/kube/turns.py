"""Turns: places that namespaces share, so that much work of one namespace delays others by one piece of work each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from freehold.core.model.lanes import Lanes


class Turns:
    """A semaphore whose waiting namespaces take turns. places: how many may be held at the same time."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: Lanes[asyncio.Future[None]] = Lanes()

    @asynccontextmanager
    async def place(self, namespace: str) -> AsyncIterator[None]:
        """Hold a place during the block."""
        await self._take(namespace)
        try:
            yield
        finally:
            self._give()

    async def _take(self, namespace: str) -> None:
        if self._free:
            self._free -= 1
            return
        given: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.put(namespace, given)
        try:
            await given
        except asyncio.CancelledError:
            if not given.cancelled():
                self._give()
            raise

    def _give(self) -> None:
        """Give a place to the next that waits; the cancelled ones left the queue to this method."""
        while waiting := self._waiting.take():
            if not waiting[1].done():
                waiting[1].set_result(None)
                return
        self._free += 1
