"""Many objects and changes that arrive at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import cast

import pytest
from freehold.core.model.resources import Object
from freehold.kube import watch
from freehold.kube.client import Api
from freehold.kube.kinds import MICROSERVICE

OBJECTS = [
    {"metadata": {"name": f"s{index}", "namespace": "evil", "uid": str(index), "resourceVersion": "1"}}
    for index in range(300)
]


class Burst:
    """A server that sends a page of 300 objects, and then 300 changes in one piece."""

    async def pages(self, *_: object) -> AsyncIterator[tuple[list[Object], str]]:
        yield OBJECTS, "1"

    async def watch(self, *_: object) -> AsyncIterator[tuple[str, Object]]:
        for live in OBJECTS:
            yield "MODIFIED", live
        await asyncio.Event().wait()


PUT_SECONDS = 0.001


async def test_burst_does_not_block_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """While objects and changes arrive, other tasks run every few milliseconds, and not after each object."""
    passes, seen, delivered = 0, 0, asyncio.Event()
    monkeypatch.setattr(watch, "time", SimpleNamespace(monotonic=lambda: seen * PUT_SECONDS))

    def put(_: Object) -> None:
        nonlocal seen
        seen += 1
        if seen == 600:
            delivered.set()

    async def others() -> None:
        nonlocal passes
        while True:
            passes += 1
            await asyncio.sleep(0)

    tasks = [
        asyncio.create_task(watch.Watch(cast(Api, Burst()), MICROSERVICE, put, put).run()),
        asyncio.create_task(others()),
    ]
    await asyncio.wait_for(delivered.wait(), 10)
    for task in tasks:
        task.cancel()
    assert passes == pytest.approx(600 * PUT_SECONDS / watch.BURST_SECONDS, rel=0.1)
