"""Watches: list a kind, then follow its changes.

A watch that ends continues from the last resourceVersion. After an expired watch (410 Gone) or an error status, the
kind is listed again, and differences are delivered as changes. Only a kind that the cluster does not serve is polled.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from freehold.core.model.resources import Object
from freehold.core.objects import meta
from freehold.kube.client import Api
from freehold.kube.errors import ClusterError
from freehold.kube.kinds import Kind

logger = logging.getLogger(__name__)
FORBIDDEN, NOT_FOUND = 403, 404
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 10.0


class _Known(NamedTuple):
    """The parts of an object that are needed to report its deletion; each service has about twenty objects."""

    uid: str
    instance: str


@dataclass
class Watch:
    """A watch of a kind in a namespace (None: in all), delivered to the callbacks put and drop.

    synced: set after the first list. refused: whether the server refused the last request (403). served: whether the
    server serves the kind. on_change: called when synced, refused or served has changed.
    """

    api: Api
    kind: Kind
    put: Callable[[Object], None]
    drop: Callable[[Object], None]
    namespace: str | None = None
    labels: str = ""
    on_change: Callable[[], None] = lambda: None
    synced: asyncio.Event = field(default_factory=asyncio.Event)
    refused: bool = False
    served: bool = True
    last_answer: float = field(default_factory=time.monotonic)
    """The time of the server's last answer on the monotonic clock, for the liveness check."""

    def __post_init__(self) -> None:
        self._known: dict[tuple[str, str], _Known] = {}
        self._version = ""

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
                    self._drop_all(dict(self._known))
                    self._record_answer(served=False)
                level = logging.DEBUG if reported else logging.WARNING  # a lasting refusal is logged once
                logger.log(level, "watch of %s failed: %s; retry in %.1f s", self.kind.plural, error.message, pause)
            except Exception:
                # An exception for a single object must not end the watch; the next list delivers the object again.
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
                self._put({"apiVersion": self.kind.api, "kind": self.kind.name, **live})
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
            self._version = live["metadata"]["resourceVersion"]
            if change in ("ADDED", "MODIFIED"):
                self._put(live)
            elif change == "DELETED":
                self._drop(live)
        self.last_answer = time.monotonic()

    def _put(self, live: Object) -> None:
        metadata = live["metadata"]
        instance = sys.intern(metadata.get("labels", {}).get(meta.INSTANCE, ""))
        self._known[_identity(live)] = _Known(metadata.get("uid", ""), instance)
        self.put(live)

    def _drop(self, live: Object) -> None:
        self._known.pop(_identity(live), None)
        self.drop(live)

    def _drop_all(self, gone: Mapping[tuple[str, str], _Known]) -> None:
        for identity, known in gone.items():
            self._drop(self._stub(*identity, known))

    def _stub(self, namespace: str, name: str, known: _Known) -> Object:
        """Return the minimal object that reports a deletion."""
        labels = {meta.INSTANCE: known.instance}
        return {
            "kind": self.kind.name,
            "metadata": {"namespace": namespace, "name": name, "uid": known.uid, "labels": labels},
        }


def _identity(live: Object) -> tuple[str, str]:
    return sys.intern(live["metadata"].get("namespace", "")), live["metadata"]["name"]
