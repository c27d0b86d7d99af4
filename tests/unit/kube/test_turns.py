"""The order in which namespaces get places."""

from __future__ import annotations

import asyncio

import pytest
from freehold.kube.turns import Turns


class Visits:
    """Holders of places, each until it is sent away. order: the names in the order of their places."""

    def __init__(self, places: int) -> None:
        self._turns = Turns(places)
        self.gates: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.order: list[str] = []

    def begin(self, *names: str) -> None:
        for name in names:
            self.gates[name] = asyncio.Event()
            self._tasks[name] = asyncio.create_task(self._hold(name))

    async def _hold(self, name: str) -> None:
        async with self._turns.place(name.partition("/")[0]):
            self.order.append(name)
            await self.gates[name].wait()

    async def end(self, *names: str) -> None:
        for name in names:
            self.gates[name].set()
            await self._tasks[name]
        await settled()

    async def cancel(self, *names: str) -> None:
        for name in names:
            self._tasks[name].cancel()
        await asyncio.wait([self._tasks[name] for name in names])


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_turns_of_namespaces() -> None:
    """A request waits for at most one request of each other namespace, however many wait there."""
    visits = Visits(1)
    visits.begin(*(f"evil/{number}" for number in range(100)))
    await settled()
    visits.begin("shop/0", "shop/1", "other/0")
    await settled()
    for name in ("evil/0", "evil/1", "shop/0", "other/0", "evil/2"):
        await visits.end(name)
    assert visits.order == ["evil/0", "evil/1", "shop/0", "other/0", "evil/2", "shop/1"]


async def test_places_bounded() -> None:
    """No more than the places are held, and a free one is taken at once."""
    visits = Visits(2)
    visits.begin("shop/0", "shop/1", "shop/2")
    await settled()
    assert visits.order == ["shop/0", "shop/1"]
    await visits.end("shop/0", "shop/1", "shop/2")
    visits.begin("shop/3", "shop/4", "shop/5")
    await settled()
    assert visits.order[3:] == ["shop/3", "shop/4"]


@pytest.mark.parametrize("given", [False, True])
async def test_cancelled_request_keeps_no_place(given: bool) -> None:
    """A request that is cancelled while it waits, or as its turn comes, leaves the place to the next."""
    visits = Visits(1)
    visits.begin("shop/0", "shop/1", "shop/2")
    await settled()
    if given:
        visits.gates["shop/0"].set()
        await asyncio.sleep(0)
    await visits.cancel("shop/1")
    await visits.end("shop/0")
    assert visits.order == ["shop/0", "shop/2"]
