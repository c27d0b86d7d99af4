"""Reads of a remote API server that is hostile or broken: bounded, without redirects, and with fixed sentences."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from freehold.core.model.resources import Object
from freehold.kube import remote_api
from freehold.kube.cluster_registry import Cluster
from freehold.kube.errors import ClusterError
from freehold.kube.kinds import MICROSERVICE, POD
from freehold.kube.remote_api import RemoteApi
from freehold.kube.remote_filter import RecordFilter
from freehold.kube.remote_resolver import GuardedResolver

from tests.unit.kube.remote_server import Handler, listing, pod, registered, serving

SECRET = "metadata says secret-flag-123"


@asynccontextmanager
async def connected(cluster: Cluster) -> AsyncIterator[RemoteApi]:
    record_filter = RecordFilter("shop", cluster, lambda _: False)
    api = RemoteApi(cluster, "token", record_filter, GuardedResolver("https://192.0.2.1", lambda _: False))
    try:
        yield api
    finally:
        await api.close()


async def refused(handler: Handler, folder: Path) -> str:
    """Return the message of a list that fails."""
    async with serving(handler, folder) as server, connected(registered(server)) as api:
        with pytest.raises(ClusterError) as error:
            [page async for page in api.pages(MICROSERVICE, "shop")]
        assert api.errors == {"microservices": error.value.message}
        return error.value.message


async def test_redirect_not_followed(tmp_path: Path) -> None:
    """A redirect is an error, and nothing of another server reaches a message."""
    asked = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        if request.path.startswith("/latest"):
            return web.Response(status=403, text=SECRET)
        raise web.HTTPFound("/latest/meta-data")

    message = await refused(answer, tmp_path)
    assert message == "the API server answers with HTTP status 302"
    assert asked == ["/apis/freehold.dev/v1alpha1/namespaces/shop/microservices"]


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, "the API server refuses the token"),
        (403, "the token may not read microservices"),
        (404, "the API server does not serve microservices"),
        (418, "the API server answers with HTTP status 418"),
        (503, "the API server answers with HTTP status 503"),
    ],
)
async def test_server_words_not_repeated(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, status: int, sentence: str
) -> None:
    """A message is a fixed sentence; the server's words reach only the debug log, quoted and cut."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response({"message": f"{SECRET}\nERROR forged line {'x' * 9000}"}, status=status)

    caplog.set_level(logging.DEBUG, logger="freehold")
    message = await refused(answer, tmp_path)
    assert message.startswith(sentence) and SECRET not in message
    (record,) = [record for record in caplog.records if SECRET in record.getMessage()]
    assert record.levelno == logging.DEBUG
    assert "\n" not in record.getMessage() and len(record.getMessage()) < 300


async def test_large_answer_refused(tmp_path: Path) -> None:
    """An answer that is larger than the limit is given up early."""
    sent = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(64):
            await response.write(b"a" * 2**20)
            sent += 1
        return response

    assert await refused(answer, tmp_path) == "the API server's answer is larger than 2 MiB"
    assert sent < 64


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"[" * 5000, b'{"a":' * 5000, b"9" * 5000, b"\xff"])
async def test_other_answers_refused(tmp_path: Path, body: bytes) -> None:
    """An answer that is no JSON object, or is nested too deep, is refused."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body)

    assert await refused(answer, tmp_path) == "the API server does not answer with a JSON object"


async def test_endless_pages_refused(tmp_path: Path) -> None:
    """A list that never ends is given up."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(listing(**{"continue": "again"}))

    async with serving(answer, tmp_path) as server, connected(registered(server)) as api:
        with pytest.raises(ClusterError, match="more than 500 pods of Freehold"):
            [page async for page in api.pages(POD, "shop")]


async def test_items_become_records(tmp_path: Path) -> None:
    """Objects that fit are records of the asked kind; others are left out, and do not fail the list."""
    good = pod("users-1", "10.2.0.1", kind="Secret", spec={"containers": []})

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(listing(7, None, {"metadata": []}, pod("X!", "10.2.0.2"), good))

    async with serving(answer, tmp_path) as server, connected(registered(server)) as api:
        (page,) = [page async for page in api.pages(POD, "shop")]
    ((record,), version) = page
    assert (record["kind"], record["apiVersion"], version) == ("Pod", "v1", "1")
    assert record["status"]["podIP"] == "10.2.0.1" and "spec" not in record


async def test_unknown_authority_refused(tmp_path: Path) -> None:
    """A server with a certificate of another authority is not read."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(listing())

    async with serving(answer, tmp_path) as server, connected(registered(server, tlsServerName="other")) as api:
        with pytest.raises(ClusterError, match="certificate is not of the registered authority"):
            [page async for page in api.pages(MICROSERVICE, "shop")]


async def test_names_of_loopback_refused(tmp_path: Path) -> None:
    """A host name that leads to the operator's own machine is refused; an address must be registered literally."""
    asked = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return web.json_response(listing())

    async with serving(answer, tmp_path) as server:
        port = server.rpartition(":")[2]
        async with connected(registered(f"https://localhost:{port}")) as api:
            with pytest.raises(ClusterError, match="leads to an address that is refused"):
                [page async for page in api.pages(MICROSERVICE, "shop")]
    assert asked == []


async def watched(tmp_path: Path, *lines: object) -> tuple[list[tuple[str, Object]], Exception | None]:
    """Return the changes of a watch, and the error at the end."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for line in lines:
            await response.write((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n")
        return response

    changes = []
    async with serving(answer, tmp_path) as server, connected(registered(server)) as api:
        try:
            async with asyncio.timeout(20):
                async for change in api.watch(POD, "shop", "", "1"):
                    changes.append(change)  # noqa: PERF401 - those before an error are returned
        except ClusterError as error:
            return changes, error
    return changes, None


async def test_watch_yields_records(tmp_path: Path) -> None:
    """Changes are records; an object that does not fit any more counts as deleted."""
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "8"}}}
    added = {"type": "ADDED", "object": pod("users-1", "10.2.0.1")}
    spoiled = {"type": "MODIFIED", "object": {**pod("users-1", "10.2.0.1"), "status": 7}}
    changes, error = await watched(tmp_path, added, bookmark, {"type": "ADDED", "object": 7}, spoiled)
    assert error is None
    assert [what for what, _ in changes] == ["ADDED", "BOOKMARK", "DELETED"]
    assert changes[2][1]["metadata"]["uid"] == "uid-users-1"


@pytest.mark.parametrize(
    "line", [b"[]", b"{", b"[" * 5000, {"type": "BOOKMARK", "object": 3}, {"type": "ERROR", "object": None}]
)
async def test_watch_of_other_text_ends(tmp_path: Path, line: object) -> None:
    """A line that is no change ends the watch with an error."""
    changes, error = await watched(tmp_path, line)
    assert changes == [] and isinstance(error, ClusterError)


async def test_watch_line_bounded(tmp_path: Path) -> None:
    """A line that is larger than the limit ends the watch, and the kind is listed again."""
    changes, error = await watched(tmp_path, b"a" * (remote_api.LINE_BYTES + 70000))
    assert changes == [] and isinstance(error, ClusterError) and error.status == 410
