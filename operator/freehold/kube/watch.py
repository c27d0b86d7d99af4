"""Watches: list a kind, then follow its changes.

A watch that ends continues from the last resourceVersion. After an expired watch (410 Gone) or an error status, the
kind is listed again, and differences are delivered as changes. Only a kind that the cluster does not serve is polled.
An object that cannot be used is dropped, and the list or watch goes on.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from freehold.core.model.resources import Object
from freehold.core.objects import meta
from freehold.kube.errors import ClusterError, TransientError
from freehold.kube.kinds import Kind
from freehold.kube.received import report_dropped, usable

logger = logging.getLogger(__name__)
FORBIDDEN, NOT_FOUND = 403, 404
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 10.0
BURST_SECONDS = 0.002
"""The time for which objects are delivered before other tasks of the event loop run. One object between two passes of a
busy loop would be too few: the changes of one namespace would delay those of all others."""


class Source(Protocol):
    """The reads of a watch: of the operator's cluster (`client.Api`), or of a remote one (`remote_api.RemoteApi`)."""

    def pages(self, kind: Kind, namespace: str | None, labels: str = "") -> AsyncIterator[tuple[list[Object], str]]: ...

    def watch(
        self, kind: Kind, namespace: str | None, labels: str, version: str
    ) -> AsyncIterator[tuple[str, Object]]: ...


class _Known(NamedTuple):
    """The parts of an object that are needed to report its deletion; each service has about twenty objects."""

    uid: str
    instance: str


@dataclass
class Watch:
    """A watch of a kind in a namespace (None: in all), delivered to the callbacks put and drop.

    drop: None if deletions are of no interest; then no object is remembered for the report of its deletion.
    synced: set after the first list. refused: whether the server refused the last request (403). served: whether the
    server serves the kind. on_change: called when synced, refused or served has changed. on_dropped: called with an
    object that cannot be used, and with the cause; `drop` was called before, if the object was usable earlier.
    """

    api: Source
    kind: Kind
    put: Callable[[Object], None]
    drop: Callable[[Object], None] | None
    namespace: str | None = None
    labels: str = ""
    on_change: Callable[[], None] = lambda: None
    on_dropped: Callable[[Object, Exception], None] = lambda *_: None
    synced: asyncio.Event = field(default_factory=asyncio.Event)
    refused: bool = False
    served: bool = True
    last_answer: float = field(default_factory=time.monotonic)
    """The time of the server's last answer on the monotonic clock, for the liveness check."""

    def __post_init__(self) -> None:
        self._known: dict[tuple[str, str], _Known] = {}
        self._version = ""
        self._burst_end = 0.0

    async def run(self) -> None:
        """Watch until cancelled."""
        pause = FIRST_PAUSE
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._follow()
            except ClusterError as error:
                self._version = "" if error.status else self._version
                reported = self.refused
                if error.status == FORBIDDEN:
                    self._record_answer(refused=True)
                elif error.status == NOT_FOUND and self.kind.optional:
                    reported = True
                    self._drop_all(list(self._known))
                    self._record_answer(served=False)
                level = logging.DEBUG if reported else logging.WARNING  # a lasting refusal is logged once
                # The message may be that of another cluster's server.
                logger.log(level, "watch of %s failed: %.200r; retry in %.1f s", self.kind.plural, error.message, pause)
            except Exception:
                self._version = ""
                logger.exception("watch of %s failed; retry in %.1f s", self.kind.plural, pause)
            else:
                pause = FIRST_PAUSE
                continue
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _list(self) -> None:
        gone, version = dict(self._known), ""
        async for page, current in self.api.pages(self.kind, self.namespace, self.labels):
            version = current
            for live in page:
                gone.pop(_identity(live), None)
                self._put(live)
                await self._let_others_run()
        self._drop_all(gone)
        self._version = version
        self._record_answer()

    def _record_answer(self, *, refused: bool = False, served: bool = True) -> None:
        """Record an answer of the server, and call on_change if the state has changed."""
        self.last_answer = time.monotonic()
        before = self.synced.is_set(), self.refused, self.served
        self.refused, self.served = refused, served
        if not refused:
            self.synced.set()
        if before != (self.synced.is_set(), refused, served):
            self.on_change()

    async def _follow(self) -> None:
        async for change, live in self.api.watch(self.kind, self.namespace, self.labels, self._version):
            self.last_answer = time.monotonic()
            self._version = _version(live)
            if change in ("ADDED", "MODIFIED"):
                self._put(live)
            elif change == "DELETED":
                self._drop(_identity(live))
            del live  # nobody needs the object while the watch waits for the next change
            await self._let_others_run()
        self.last_answer = time.monotonic()

    async def _let_others_run(self) -> None:
        """Let other tasks run if this one has delivered objects for BURST_SECONDS."""
        if time.monotonic() >= self._burst_end:
            await asyncio.sleep(0)
            self._burst_end = time.monotonic() + BURST_SECONDS

    def _put(self, live: Any) -> None:
        try:
            checked = usable(self.kind, live)
            self.put(checked)
        except Exception as error:  # whatever is in an object, the objects after it are delivered
            self._reject(live, error)
        else:
            if self.drop is None:
                return
            metadata = checked["metadata"]
            instance = sys.intern(metadata.get("labels", {}).get(meta.INSTANCE, ""))
            self._known[_identity(checked)] = _Known(metadata.get("uid", ""), instance)

    def _reject(self, live: Any, error: Exception) -> None:
        """Drop an object that cannot be used; the state that was known before is out of date."""
        report_dropped(self.kind, live, error)
        identity = _identity(live)
        self._drop(identity)
        if identity[1] and self.drop:
            self._known[identity] = _Known("", "")  # for the report of the deletion
            self.on_dropped(live, error)

    def _drop(self, identity: tuple[str, str]) -> None:
        known = self._known.pop(identity, None)
        if known and self.drop:
            self.drop(self._stub(*identity, known))

    def _drop_all(self, gone: Iterable[tuple[str, str]]) -> None:
        for identity in gone:
            self._drop(identity)

    def _stub(self, namespace: str, name: str, known: _Known) -> Object:
        """Return the minimal object that reports a deletion."""
        labels = {meta.INSTANCE: known.instance}
        return {
            "kind": self.kind.name,
            "metadata": {"namespace": namespace, "name": name, "uid": known.uid, "labels": labels},
        }


def _identity(live: Any) -> tuple[str, str]:
    """Return namespace and name of an object; the name is empty in an object that has none."""
    try:
        namespace, name = live["metadata"].get("namespace", ""), live["metadata"]["name"]
    except (KeyError, TypeError, AttributeError):
        return "", ""
    return (sys.intern(namespace), name) if isinstance(namespace, str) and isinstance(name, str) else ("", "")


def _version(live: Any) -> str:
    """Return the resourceVersion of a change. Raises TransientError without one, after which the kind is listed."""
    try:
        return str(live["metadata"]["resourceVersion"])
    except (KeyError, TypeError) as error:
        raise TransientError(500, "a change of the watch has no resourceVersion") from error
