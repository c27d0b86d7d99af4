"""A local copy of all objects of one resource, updated by a watch that begins with a list (KEP-3157)."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import aiohttp

from .kubeconfig import ApiServer

log = logging.getLogger(__name__)

T = TypeVar("T")
Object = Mapping[str, Any]

# The server ends a watch after this time in seconds, and sends a bookmark about once a minute while idle.
_WATCH_SECONDS = 240
_SILENCE_SECONDS = 150
# The longest event: an object takes up to 1.5 MB in etcd, and more as JSON.
_LONGEST_LINE = 8 * 2**20
_RETRY_SECONDS = (0.1, 0.5, 2.0)


class _Expired(Exception):
    """The server no longer has the resource version of the watch; a new list is needed."""


def session(server: ApiServer) -> aiohttp.ClientSession:
    """Return a client that detects a lost API server within 20 seconds (TCP keepalive)."""
    connector = aiohttp.TCPConnector(ssl=server.tls, socket_factory=_kept_alive)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=_SILENCE_SECONDS)
    return aiohttp.ClientSession(
        server.url, connector=connector, headers=server.headers, timeout=timeout, read_bufsize=_LONGEST_LINE
    )


def _kept_alive(address: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    for option, value in ((socket.TCP_KEEPIDLE, 5), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3)):
        made.setsockopt(socket.IPPROTO_TCP, option, value)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return made


class Mirror(Generic[T]):
    """Objects by "namespace/name" in `items`; `current` while a watch is open and the initial list is complete."""

    def __init__(self, path: str, parse: Callable[[Object], T | None], changed: Callable[[], None]) -> None:
        self.items: dict[str, T] = {}
        self.current = False
        self._path = path
        self._parse = parse
        self._changed = changed
        self._version = ""
        self._listing: dict[str, T] | None = None

    async def run(self, http: aiohttp.ClientSession) -> None:
        """Follow the resource until cancelled; resume from the last resource version, or list again."""
        failures = 0
        while True:
            try:
                await self._follow(http)
                failures = 0
            except _Expired:
                log.warning("watch of %s: version %s has expired; listing again", self._path, self._version)
                self._version = ""
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                delay = _RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)]
                failures = 0 if self.current else failures + 1
                log.warning("watch of %s: %s; retrying in %s s", self._path, error or type(error).__name__, delay)
                self.current = False
                await asyncio.sleep(delay)
            self.current = False

    async def _follow(self, http: aiohttp.ClientSession) -> None:
        query = {"watch": "1", "allowWatchBookmarks": "true", "timeoutSeconds": str(_WATCH_SECONDS)}
        if self._version:
            query["resourceVersion"] = self._version
        else:
            query |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
            self._listing = {}
        async with http.get(self._path, params=query) as response:
            if response.status == 410:
                raise _Expired
            if response.status != 200:
                raise ValueError(f"{response.status} {(await response.text())[:300]}")
            self._set_current(self._listing is None)
            async for line in response.content:
                self._take(json.loads(line))

    def _take(self, event: Object) -> None:
        kind, obj = event["type"], event["object"]
        if kind == "ERROR":
            if obj.get("code") == 410:
                raise _Expired
            raise ValueError(obj.get("message") or obj)
        meta = obj["metadata"]
        if kind == "BOOKMARK":
            if "k8s.io/initial-events-end" in (meta.get("annotations") or {}) and self._listing is not None:
                self.items, self._listing = self._listing, None
                self._set_current(True)
        else:
            self._store(kind, meta, obj)
        if self._listing is None:
            self._version = meta["resourceVersion"]

    def _store(self, kind: str, meta: Object, obj: Object) -> None:
        key = f"{meta.get('namespace', '')}/{meta['name']}"
        parsed = None if kind == "DELETED" else self._parse(obj)
        items = self.items if self._listing is None else self._listing
        if parsed == items.get(key):
            return
        if parsed is None:
            del items[key]
        else:
            items[key] = parsed
        if self._listing is None:
            self._changed()

    def _set_current(self, current: bool) -> None:
        self.current = current
        if current:
            self._changed()
