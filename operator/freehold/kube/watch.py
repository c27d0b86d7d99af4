"""Watches: list a kind, then follow its changes, for ever.

A watch that ends is taken up where it ended; one that expired (410 Gone), broke or went silent begins with a new list,
whose differences count as changes. Nothing is polled, but for a kind that the cluster lacks, until it is there.
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
    """What is kept of an object for the day it is gone; there are some twenty for each service."""

    uid: str
    instance: str


@dataclass
class Watch:
    """One kind in one namespace (or all), delivered to two callbacks.

    synced: set once the first list is in. refused: whether the server last said that the kind may not be read there.
    served: whether it last knew the kind; of one that it does not, nothing is there. turned: called whenever one turns.
    """

    api: Api
    kind: Kind
    put: Callable[[Object], None]
    drop: Callable[[Object], None]
    namespace: str | None = None
    labels: str = ""
    turned: Callable[[], None] = lambda: None
    synced: asyncio.Event = field(default_factory=asyncio.Event)
    refused: bool = False
    served: bool = True
    heard: float = field(default_factory=time.monotonic)
    """When the server was last heard of, by the monotonic clock; liveness looks at it."""

    def __post_init__(self) -> None:
        self._known: dict[tuple[str, str], _Known] = {}
        self._version = ""

    async def run(self) -> None:
        """Follow until cancelled."""
        pause = FIRST_PAUSE
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._follow()
            except ClusterError as error:
                self._version = "" if error.status else self._version
                known = self.refused
                if error.status == FORBIDDEN:
                    self._answered(refused=True)
                elif error.status == NOT_FOUND and self.kind.optional:
                    known = True
                    self._lose_all(dict(self._known))
                    self._answered(served=False)
                level = logging.DEBUG if known else logging.WARNING  # said once, however often it is tried
                logger.log(level, "watch of %s: %s; again in %.1f s", self.kind.plural, error.message, pause)
            except Exception:
                # A fault of ours with one object must not end the watch of all; the next list brings it again.
                self._version = ""
                logger.exception("watch of %s; again in %.1f s", self.kind.plural, pause)
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
                self._take({"apiVersion": self.kind.api, "kind": self.kind.name, **live})
        self._lose_all(gone)
        self._version = version
        self._answered()

    def _answered(self, *, refused: bool = False, served: bool = True) -> None:
        """The server said whether it knows the kind, and whether that may be read."""
        self.heard = time.monotonic()
        before = self.synced.is_set(), self.refused, self.served
        self.refused, self.served = refused, served
        if not refused:
            self.synced.set()
        if before != (self.synced.is_set(), refused, served):
            self.turned()

    async def _follow(self) -> None:
        async for change, live in self.api.watch(self.kind, self.namespace, self.labels, self._version):
            self.heard = time.monotonic()
            self._version = live["metadata"]["resourceVersion"]
            if change in ("ADDED", "MODIFIED"):
                self._take(live)
            elif change == "DELETED":
                self._lose(live)
        self.heard = time.monotonic()

    def _take(self, live: Object) -> None:
        metadata = live["metadata"]
        instance = sys.intern(metadata.get("labels", {}).get(meta.INSTANCE, ""))
        self._known[_identity(live)] = _Known(metadata.get("uid", ""), instance)
        self.put(live)

    def _lose(self, live: Object) -> None:
        self._known.pop(_identity(live), None)
        self.drop(live)

    def _lose_all(self, gone: Mapping[tuple[str, str], _Known]) -> None:
        for identity, known in gone.items():
            self._lose(self._stub(*identity, known))

    def _stub(self, namespace: str, name: str, known: _Known) -> Object:
        """As much of an object as it takes to say that it is gone."""
        labels = {meta.INSTANCE: known.instance}
        return {
            "kind": self.kind.name,
            "metadata": {"namespace": namespace, "name": name, "uid": known.uid, "labels": labels},
        }


def _identity(live: Object) -> tuple[str, str]:
    return sys.intern(live["metadata"].get("namespace", "")), live["metadata"]["name"]
