"""A reading client of a remote API server, with limits of its own.

A remote server is trusted less than the operator's own: what is read is bounded, becomes a small typed record
(`remote_records.py`) at once, and is dropped if it does not fit. Errors are fixed sentences, because they appear in the
status of a tenant's resource; the server's own words go to the debug log.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
from aiohttp.abc import AbstractResolver

from freehold.core import handover
from freehold.core.model.resources import Object
from freehold.core.objects import meta
from freehold.kube.client import WATCH_SECONDS
from freehold.kube.cluster_registry import Cluster
from freehold.kube.errors import ClusterError, TransientError, from_status
from freehold.kube.kinds import MICROSERVICE, SELECTOR, Kind
from freehold.kube.remote_filter import RecordFilter
from freehold.kube.remote_resolver import RefusedAddressError

logger = logging.getLogger(__name__)
REQUEST_SECONDS = 20.0
PAGE, MOST_PAGES = 20, 25
"""The objects of a page, and the pages of a kind in the one namespace that is read."""
BODY_BYTES = 2 * 1024 * 1024
LINE_BYTES = 1024 * 1024
LONGEST_QUOTE = 200
CHANGE_PAUSE = 0.01
"""Seconds between two changes of a watch, so that a server cannot keep the operator busy."""
CONNECTIONS = 12
SENTENCES = {
    401: "the API server refuses the token; make the link again with `kubectl freehold cluster link`",
    403: "the token may not read {}; make the link again with `kubectl freehold cluster link`",
    404: "the API server does not serve {}; install Freehold in that cluster",
}
OK, EXPIRED = 200, 410
"""EXPIRED: the status after which a watch lists the kind again."""
NO_ANSWER = "the API server does not answer"


class RemoteApi:
    """The reads of a remote namespace. Each method raises ClusterError or a subclass. Needs a running event loop.

    record_filter: turns each object into a record, and keeps why objects were dropped. errors: the last of
    each list and watch, by kind.
    """

    def __init__(self, cluster: Cluster, token: str, record_filter: RecordFilter, resolver: AbstractResolver) -> None:
        self._cluster = cluster
        self._filter = record_filter
        self.errors: dict[str, str] = {}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=ssl.create_default_context(cadata=cluster.certificate_authority),
                limit=CONNECTIONS,
                resolver=resolver,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json", "Accept-Encoding": "identity"},
        )

    async def close(self) -> None:
        await self._session.close()

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """Return a record, or None if the object does not exist or does not fit."""
        try:
            return self._filter.record(kind, await self._json(kind, kind.path(namespace, name), {}))
        except ClusterError as error:
            if error.status == 404:
                return None
            raise
        finally:
            self.errors.pop(kind.plural, None)  # the error is the caller's, and not that of a watch

    async def test(self, kind: Kind, namespace: str) -> None:
        """Read the first page of a kind, for the cause of an error, which a watch would retry. Raises ClusterError."""
        await self._json(kind, kind.path(namespace), {"limit": "1", "labelSelector": selector(kind)})

    async def pages(
        self, kind: Kind, namespace: str | None, labels: str = ""
    ) -> AsyncIterator[tuple[list[Object], str]]:
        """Yield the records of a kind in pages, each with the resourceVersion from which to watch afterwards."""
        query = {"limit": str(PAGE), "labelSelector": labels}
        for _ in range(MOST_PAGES):
            page = await self._json(kind, kind.path(namespace), query)
            items, metadata = page.get("items") or [], page.get("metadata")
            if not isinstance(items, list) or not isinstance(metadata, dict):
                raise ClusterError(0, f"the API server's list of {kind.plural} is malformed")
            records = (self._filter.record(kind, item) for item in items[: 2 * PAGE])
            yield [record for record in records if record], _text(metadata, "resourceVersion")
            query["continue"] = _text(metadata, "continue")
            if not query["continue"]:
                return
        raise ClusterError(0, f"the namespace has more than {PAGE * MOST_PAGES} {kind.plural} of Freehold")

    async def watch(
        self, kind: Kind, namespace: str | None, labels: str, version: str
    ) -> AsyncIterator[tuple[str, Object]]:
        """Yield changes since a resourceVersion as pairs of type and record, bookmarks included, until the server ends
        the watch. An object that does not fit any more is yielded as deleted."""
        seconds = WATCH_SECONDS + random.randrange(10)
        query = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(seconds)}
        query |= {"labelSelector": labels, "resourceVersion": version}
        timeout = aiohttp.ClientTimeout(total=seconds + REQUEST_SECONDS, sock_connect=REQUEST_SECONDS)
        async with self._response(kind, kind.path(namespace), query, timeout) as response:
            async for line in _lines(response):
                if change := self._change(kind, line):
                    yield change
                await asyncio.sleep(CHANGE_PAUSE)

    def _change(self, kind: Kind, line: bytes) -> tuple[str, Object] | None:
        """Return a change as type and record; None for one that cannot be used. Raises ClusterError."""
        change = _decoded(line)
        what, live = change.get("type"), change.get("object")
        if what == "ERROR":
            status = live.get("code") if isinstance(live, dict) else None
            raise self._error(status if isinstance(status, int) else 500, kind, str(live))
        if what == "BOOKMARK":
            return "BOOKMARK", self._filter.bookmark(live)
        if record := self._filter.record(kind, live):
            return str(what), record
        gone = self._filter.deleted(kind, live)
        return ("DELETED", gone) if gone else None

    async def _json(self, kind: Kind, path: str, query: Mapping[str, str]) -> Object:
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        async with self._response(kind, path, query, timeout) as response:
            body = bytearray()
            async for chunk in response.content.iter_chunked(65536):
                body += chunk
                if len(body) > BODY_BYTES:
                    raise ClusterError(0, f"the API server's answer is larger than {BODY_BYTES >> 20} MiB")
            return _decoded(bytes(body))

    @asynccontextmanager
    async def _response(
        self, kind: Kind, path: str, query: Mapping[str, str], limit: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request, and yield the response with status 200. Raises ClusterError."""
        parameters = {key: value for key, value in query.items() if value}
        url, name = self._cluster.server + path, self._cluster.tls_server_name
        try:
            async with self._session.get(
                url, params=parameters, timeout=limit, allow_redirects=False, server_hostname=name
            ) as response:
                if response.status != OK:
                    words = await response.content.read(LONGEST_QUOTE)
                    raise self._error(response.status, kind, words.decode(errors="replace"))
                self.errors.pop(kind.plural, None)
                yield response
        except ClusterError as error:
            if error.status != EXPIRED:
                self.errors[kind.plural] = error.message
            raise
        except aiohttp.ClientConnectorCertificateError as error:
            raise self._silence(
                kind, error, "the API server's certificate is not of the registered authority"
            ) from None
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            cause = getattr(error, "os_error", None)
            sentence = str(cause) if isinstance(cause, RefusedAddressError) else NO_ANSWER
            raise self._silence(kind, error, sentence) from None

    def _silence(self, kind: Kind, error: Exception, sentence: str) -> TransientError:
        """Return the error for a request without an answer; the cause goes to the debug log."""
        logger.debug("%s: %s", self._cluster.server, _quoted(repr(error)))
        self.errors[kind.plural] = sentence
        return TransientError(0, sentence)

    def _error(self, status: int, kind: Kind, words: str) -> ClusterError:
        """Return the error for an HTTP status; the server's words go to the debug log."""
        logger.debug("%s answers %d: %s", self._cluster.server, status, _quoted(words))
        sentence = SENTENCES.get(status, "the API server answers with HTTP status {1}")
        return from_status(status, sentence.format(kind.plural, status))


def selector(kind: Kind) -> str:
    """Return the label selector of a kind; of ConfigMaps only those with the addresses of callers are read."""
    if kind is MICROSERVICE:
        return ""
    return f"{SELECTOR},{meta.CAPABILITY}={handover.CAPABILITY}" if kind.name == "ConfigMap" else SELECTOR


def _decoded(text: bytes) -> Object:
    """Return a JSON object. Raises ClusterError for other text."""
    try:
        decoded = json.loads(text)
    except (ValueError, RecursionError):
        decoded = None
    if not isinstance(decoded, dict):
        raise ClusterError(0, "the API server does not answer with a JSON object")
    return decoded


def _text(metadata: Object, key: str) -> str:
    """Return a text of a list's metadata; empty if absent. Raises ClusterError."""
    value = metadata.get(key, "")
    if not isinstance(value, str) or len(value) > 4096 or not value.isprintable():
        raise ClusterError(0, f"the API server's {key} is malformed")
    return value


def _quoted(words: str) -> str:
    return repr(words[:LONGEST_QUOTE])


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield the lines of a stream. Raises ClusterError for a line that is too long."""
    buffer = bytearray()
    async for chunk in response.content.iter_any():
        buffer += chunk
        if len(buffer) > LINE_BYTES:
            raise ClusterError(EXPIRED, f"a change of the watch is larger than {LINE_BYTES >> 20} MiB")
        if b"\n" not in chunk:
            continue
        *lines, rest = bytes(buffer).split(b"\n")
        buffer = bytearray(rest)
        for line in lines:
            if line.strip():
                yield line
