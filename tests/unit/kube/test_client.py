"""Answers of an API server are read within bounds; a real HTTP server answers."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from freehold.kube import bodies
from freehold.kube import client as kube
from freehold.kube.client import Api
from freehold.kube.errors import ClusterError, TransientError
from freehold.kube.kinds import BY_NAME
from kubernetes.aio import client

CONFIG_MAP = BY_NAME["ConfigMap"]
Handler = Callable[[web.Request], Any]


@asynccontextmanager
async def serving(handler: Handler, may_write_for: Callable[[], float] = lambda: math.inf) -> AsyncIterator[Api]:
    """Serve requests with a handler, and return a client."""

    async def answer(request: web.Request) -> web.StreamResponse:
        result = handler(request)
        return result if isinstance(result, web.StreamResponse) else web.Response(body=result)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    settings = client.Configuration()
    settings.host = f"http://127.0.0.1:{runner.addresses[0][1]}"
    api = Api(client.ApiClient(settings), may_write_for)
    try:
        yield api
    finally:
        await api.close()
        await runner.cleanup()


async def test_large_objects_listed_in_small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page beyond the bound is asked for again with fewer objects, and pages grow again behind large objects."""
    monkeypatch.setattr(kube, "PAGE_BYTES", 10_000)
    objects = [{"name": number, "data": "x" * (8_000 if number < 5 else 10)} for number in range(200)]
    limits: list[int] = []

    def page(request: web.Request) -> bytes:
        limit, start = int(request.query["limit"]), int(request.query.get("continue", 0))
        limits.append(limit)
        rest = {"continue": str(start + limit)} if start + limit < len(objects) else {}
        return json.dumps(
            {"items": objects[start : start + limit], "metadata": {"resourceVersion": "7", **rest}}
        ).encode()

    async with serving(page) as api:
        listed = [live async for items, version in api.pages(CONFIG_MAP, None) for live in items if version == "7"]
    assert listed == objects
    assert min(limits) == 1 and limits[-1] == 50 and len(limits) < 30


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>", "no JSON"),
        (b"[]", "no JSON object"),
        (b'{"items": {"a": 1}, "metadata": {}}', "no list of configmaps"),
        (b'{"items": [], "metadata": null}', "no list of configmaps"),
        (b'{"items": ["' + b"x" * 3_000 + b'"]}', "more than 2000 bytes"),
    ],
)
async def test_no_list(monkeypatch: pytest.MonkeyPatch, body: bytes, message: str) -> None:
    """Any other answer is an error of the cluster, and not of the program."""
    monkeypatch.setattr(kube, "LARGEST", 2_000)
    monkeypatch.setattr(kube, "PAGE_BYTES", 2_000)
    async with serving(lambda _: body) as api:
        with pytest.raises(ClusterError, match=message):
            [page async for page in api.pages(CONFIG_MAP, None)]


async def test_object_of_any_depth_read() -> None:
    """An object that Python's decoder refuses is read."""
    deep = b'{"a":' * 5_000 + b"{}" + b"}" * 5_000
    async with serving(lambda _: b'{"kind": "ConfigMap", "deep": ' + deep + b"}") as api:
        live = await api.get(CONFIG_MAP, "shop", "x")
    assert live and live["kind"] == "ConfigMap"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"no JSON\n", "no JSON"),
        (b'{"type": "ADDED", "object": 1}\n', "has no object"),
        (b'{"type": "ERROR", "object": {"code": 410, "message": "expired"}}\n', "expired"),
        (b"x" * 3_000, "more than 2000 bytes"),
    ],
)
async def test_watch_line_refused(monkeypatch: pytest.MonkeyPatch, line: bytes, message: str) -> None:
    """Changes before an unreadable line arrive; the line ends the watch with a status, so that the kind is listed."""
    monkeypatch.setattr(bodies, "LARGEST", 2_000)
    good = json.dumps({"type": "ADDED", "object": {"kind": "ConfigMap"}}).encode()
    async with serving(lambda _: good + b"\n\n" + line) as api:
        changes = api.watch(CONFIG_MAP, None, "", "1")
        assert await anext(changes) == ("ADDED", {"kind": "ConfigMap"})
        with pytest.raises(ClusterError, match=message) as refused:
            await anext(changes)
    assert refused.value.status


async def test_write_not_sent_without_time() -> None:
    """A write whose time ends between the decision and the sending is not sent; reads go on."""
    answered: list[str] = []

    def answer(request: web.Request) -> bytes:
        answered.append(request.method)
        return b"{}"

    left = iter([1.0, 0.0])
    async with serving(answer, lambda: next(left, 1.0)) as api:
        with pytest.raises(TransientError, match=r"^a write was not sent: this operator is not the leader any more$"):
            await api.delete(CONFIG_MAP, "shop", "users", {})
        await api.get(CONFIG_MAP, "shop", "users")
        await api.delete(CONFIG_MAP, "shop", "users", {})
    assert answered == ["GET", "DELETE"]
