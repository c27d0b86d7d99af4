"""Watches that list again: objects missing from the new list are dropped."""

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
    """A server with the given objects in the first list and none later, whose watches always expire."""

    def __init__(self, *first: Object) -> None:
        self.lists = [list(first)]

    async def pages(self, *_: object) -> AsyncIterator[tuple[list[Object], str]]:
        yield self.lists.pop() if self.lists else [], "2"

    async def watch(self, *_: object) -> AsyncIterator[tuple[str, Object]]:
        raise ClusterError(410, "expired")
        yield "", {}


class Unserved(Lists):
    """A server that serves a kind, then does not, and then serves the kind again."""

    def __init__(self, *first: Object) -> None:
        super().__init__(*first)
        self.missing = 3

    async def pages(self, *_: object) -> AsyncIterator[tuple[list[Object], str]]:
        if not self.lists and self.missing:
            self.missing -= 1
            raise RefusedError(404, "404 page not found")
        yield self.lists.pop() if self.lists else [OWNED], "2"


async def test_optional_kind_not_served(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An optional kind that is not served counts as empty, and returns later."""
    seen: list[tuple[str, bool]] = []
    changes: asyncio.Queue[bool] = asyncio.Queue()
    watch = Watch(
        cast(Api, Unserved(OWNED)),
        OPTIONAL,
        lambda _: seen.append(("put", watch.served)),
        lambda _: seen.append(("drop", watch.served)),
        on_change=lambda: changes.put_nowait(watch.served),
    )
    following = asyncio.create_task(watch.run())
    try:
        served = [await asyncio.wait_for(changes.get(), 10) for _ in range(3)]
    finally:
        following.cancel()
    assert served == [True, False, True], "each change is reported once, despite retries"
    assert [what for what, _ in seen] == ["put", "drop", "put"], "known objects are dropped meanwhile"
    assert watch.synced.is_set() and not watch.refused
    assert "page not found" not in caplog.text


async def test_required_kind_never_absent() -> None:
    """A status of 404 for a required kind does not count as absence."""

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
    """Return the stub that is dropped when an object is missing from the second list."""
    dropped: asyncio.Queue[Object] = asyncio.Queue()
    watch = Watch(cast(Api, Lists(first)), kind, put, dropped.put_nowait)
    following = asyncio.create_task(watch.run())
    try:
        return await asyncio.wait_for(dropped.get(), 10)
    finally:
        following.cancel()


async def test_dropped_object_leaves_service() -> None:
    """A dropped object is removed from its service in the cache."""
    cache = Cache(lambda _: None)
    stub = await relisted(SERVICE, OWNED, cache.put_owned)
    assert Ref("Service", "users-database") in cache.owned[USERS]
    cache.drop_owned(stub)
    assert USERS not in cache.owned


@pytest.mark.parametrize(("kind", "first"), [(MICROSERVICE, RESOURCE), (NAMESPACE, named("shop"))])
async def test_dropped_object_identified(kind: Kind, first: Object) -> None:
    """A dropped object is reported with kind, name and namespace."""
    stub = await relisted(kind, first, lambda _: None)
    assert (stub["kind"], stub["metadata"]["name"]) == (kind.name, first["metadata"]["name"])
    assert stub["metadata"]["namespace"] == first["metadata"].get("namespace", "")


class Follows(Lists):
    """A server with objects in the list, and changes in the first watch; records where each watch begins."""

    def __init__(self, *first: Object, changes: tuple[tuple[str, Object], ...] = ()) -> None:
        super().__init__(*first)
        self.changes = list(changes)
        self.versions: asyncio.Queue[str] = asyncio.Queue()

    async def watch(self, *arguments: object) -> AsyncIterator[tuple[str, Object]]:
        self.versions.put_nowait(str(arguments[-1]))
        while self.changes:
            yield self.changes.pop(0)
        if self.versions.qsize() > 1:
            await asyncio.Event().wait()


async def followed(server: Follows, watch: Watch) -> str:
    """Run a watch through the changes of a server. Returns the version from which the next watch begins."""
    following = asyncio.create_task(watch.run())
    try:
        await asyncio.wait_for(server.versions.get(), 10)
        return await asyncio.wait_for(server.versions.get(), 10)
    finally:
        following.cancel()


UNUSABLE = {"metadata": {"name": "broken", "namespace": "evil", "resourceVersion": "8", "labels": "none"}}


async def test_unusable_object_dropped_alone() -> None:
    """Objects before and after an unusable one arrive, in the list and in the watch, which goes on behind it."""
    put: list[str] = []
    named_later = named("later", namespace="shop", resourceVersion="7")
    server = Follows(named("a"), UNUSABLE, {}, named("z"), changes=(("ADDED", named_later), ("MODIFIED", UNUSABLE)))
    causes: list[str] = []
    watch = Watch(
        cast(Api, server),
        SERVICE,
        lambda live: put.append(live["metadata"]["name"]),
        lambda _: None,
        on_dropped=lambda live, error: causes.append(f"{live['metadata']['name']}: {error}"),
    )
    assert await followed(server, watch) == "8"
    assert put == ["a", "z", "later"] and watch.synced.is_set()
    assert len(causes) == 2 and causes[0].startswith("broken: metadata.labels")


async def test_object_that_becomes_unusable_leaves_cache() -> None:
    """The state before is out of date, and leaves the cache; the deletion later is no error."""
    cache = Cache(lambda _: None)
    broken = {**OWNED, "metadata": {**OWNED["metadata"], "resourceVersion": "3", "ownerReferences": "none"}}
    server = Follows(OWNED, changes=(("MODIFIED", broken), ("DELETED", broken)))
    await followed(server, Watch(cast(Api, server), SERVICE, cache.put_owned, cache.drop_owned))
    assert USERS not in cache.owned


async def test_exception_of_callback_is_that_objects() -> None:
    """An object at which the callback fails does not hide the objects after it."""
    put: list[str] = []

    def fail_at_first(live: Object) -> None:
        put.append(live["metadata"]["name"])
        if len(put) == 1:
            raise RecursionError

    server = Follows(named("a"), named("b"))
    watch = Watch(cast(Api, server), SERVICE, fail_at_first, lambda _: None)
    following = asyncio.create_task(watch.run())
    try:
        await asyncio.wait_for(watch.synced.wait(), 10)
    finally:
        following.cancel()
    assert put == ["a", "b"]
