"""A watch that must begin anew: what is no longer there counts as deleted, from what little was kept of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest
from freehold.cluster.cache import Cache
from freehold.cluster.client import Api
from freehold.cluster.errors import ClusterError
from freehold.cluster.kinds import MICROSERVICE, NAMESPACE, Kind
from freehold.cluster.watch import Watch
from freehold.core.model import Key, Object, Ref

USERS = Key("shop", "users")
SERVICE = Kind("Service", "v1", "services")


def named(name: str, **metadata: Any) -> Object:
    return {"metadata": {"name": name, "uid": f"{name}-1", "resourceVersion": "1", **metadata}}


LABELS = {"app.kubernetes.io/instance": "users"}
OWNED = named("users-database", namespace="shop", labels=LABELS)
RESOURCE = named("users", namespace="shop")


class Lists:
    """A server that has these objects at first and none later, and whose watches have always expired."""

    def __init__(self, *first: Object) -> None:
        self.lists = [list(first)]

    async def pages(self, *_: object) -> AsyncIterator[tuple[list[Object], str]]:
        yield self.lists.pop() if self.lists else [], "2"

    async def watch(self, *_: object) -> AsyncIterator[tuple[str, Object]]:
        raise ClusterError(410, "expired")
        yield "", {}


async def relisted(kind: Kind, first: Object, put: Callable[[Object], None]) -> Object:
    """What is dropped once an object is on no list any more."""
    dropped: asyncio.Queue[Object] = asyncio.Queue()
    watch = Watch(cast(Api, Lists(first)), kind, put, dropped.put_nowait)
    following = asyncio.create_task(watch.run())
    try:
        return await asyncio.wait_for(dropped.get(), 10)
    finally:
        following.cancel()


async def test_an_owned_object_leaves_the_service_it_was_of() -> None:
    cache = Cache(lambda _: None)
    stub = await relisted(SERVICE, OWNED, cache.put_owned)
    assert Ref("Service", "users-database") in cache.owned[USERS]
    cache.drop_owned(stub)
    assert USERS not in cache.owned


@pytest.mark.parametrize(("kind", "first"), [(MICROSERVICE, RESOURCE), (NAMESPACE, named("shop"))])
async def test_whatever_is_gone_is_named_where_it_was(kind: Kind, first: Object) -> None:
    stub = await relisted(kind, first, lambda _: None)
    assert (stub["kind"], stub["metadata"]["name"]) == (kind.name, first["metadata"]["name"])
    assert stub["metadata"]["namespace"] == first["metadata"].get("namespace", "")
