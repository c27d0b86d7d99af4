"""A watch that must begin anew: what is no longer there counts as deleted, from what little was kept of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest
from freehold.core.model.resources import Key, Object, Ref
from freehold.kube.cache import Cache
from freehold.kube.client import Api
from freehold.kube.errors import ClusterError, RefusedError
from freehold.kube.kinds import MICROSERVICE, NAMESPACE, Kind
from freehold.kube.watch import Watch

USERS = Key("shop", "users")
SERVICE = Kind("Service", "v1", "services")
OPTIONAL = Kind("Service", "v1", "services", optional=True)


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


class Lacking(Lists):
    """A server that serves a kind at first, then does not know it, and then serves it again."""

    def __init__(self, *first: Object) -> None:
        super().__init__(*first)
        self.missing = 3

    async def pages(self, *_: object) -> AsyncIterator[tuple[list[Object], str]]:
        if not self.lists and self.missing:
            self.missing -= 1
            raise RefusedError(404, "404 page not found")
        yield self.lists.pop() if self.lists else [OWNED], "2"


async def test_a_kind_that_a_cluster_lacks_counts_as_one_of_which_there_is_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[tuple[str, bool]] = []
    turned: asyncio.Queue[bool] = asyncio.Queue()
    watch = Watch(
        cast(Api, Lacking(OWNED)),
        OPTIONAL,
        lambda _: seen.append(("put", watch.served)),
        lambda _: seen.append(("drop", watch.served)),
        turned=lambda: turned.put_nowait(watch.served),
    )
    following = asyncio.create_task(watch.run())
    try:
        said = [await asyncio.wait_for(turned.get(), 10) for _ in range(3)]
    finally:
        following.cancel()
    assert said == [True, False, True], "each turn is told once, however often it is tried"
    assert [what for what, _ in seen] == ["put", "drop", "put"], "and what was of it is gone meanwhile"
    assert watch.synced.is_set() and not watch.refused
    assert "page not found" not in caplog.text


async def test_a_kind_that_every_cluster_has_is_not_taken_to_be_absent() -> None:
    class Nothing(Lists):
        async def pages(self, *_: object) -> AsyncIterator[tuple[list[Object], str]]:
            asked.set()
            raise RefusedError(404, "404 page not found")
            yield [], ""

    asked = asyncio.Event()
    watch = Watch(cast(Api, Nothing()), SERVICE, lambda _: None, lambda _: None)
    following = asyncio.create_task(watch.run())
    try:
        await asyncio.wait_for(asked.wait(), 10)
        await asyncio.sleep(0)
    finally:
        following.cancel()
    assert watch.served and not watch.synced.is_set()


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
