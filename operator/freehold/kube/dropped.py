"""The objects that watches have dropped lately, so that the answer to a write brings none of them back.

The API server answers a write and reports a deletion over different connections, hence in either order. Nothing would
remove an object that came into the cache after the watch has reported its deletion.
"""

from __future__ import annotations

from collections.abc import Callable

from freehold.core.model.resources import Object

MOST = 300
"""The most uids; a write is answered within seconds (`client.REQUEST_SECONDS`)."""


class Dropped:
    """The uids of dropped objects, the last MOST of them."""

    def __init__(self) -> None:
        self._uids: dict[str, None] = {}

    def add(self, uid: str) -> None:
        self._uids[uid] = None
        if len(self._uids) > MOST:
            del self._uids[next(iter(self._uids))]

    def discard(self, uid: str) -> None:
        """Forget an object that a watch has delivered again: it was dropped as unusable, and has changed."""
        self._uids.pop(uid, None)

    def put_written(self, live: Object, put: Callable[[Object], None]) -> None:
        """Put the object that a write has returned, unless a watch has dropped the object meanwhile."""
        if live["metadata"]["uid"] not in self._uids:
            put(live)
