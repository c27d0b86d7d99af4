"""The changes of the platform to database servers that are not Ready again, as the cache sees them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from freehold.core.database import platform_change
from freehold.core.model.resources import Key, Object, Ref
from freehold.core.objects import meta


class ServerChange(NamedTuple):
    """A change under way. key: the service by the labels of the StatefulSet. owner: the uid of its Microservice."""

    key: Key
    owner: str | None
    since: datetime


class ServerChanges:
    """The changes under way, by StatefulSet."""

    def __init__(self) -> None:
        self._changes: dict[tuple[Key, Ref], ServerChange] = {}

    def __iter__(self) -> Iterator[ServerChange]:
        return iter(self._changes.values())

    def put(self, key: Key, ref: Ref, live: Object) -> None:
        """Record the state of an object; only StatefulSets count."""
        since = platform_change.under_way_since(live) if ref.kind == "StatefulSet" else None
        if since:
            self._changes[key, ref] = ServerChange(key, meta.controller_uid(live), since)
        else:
            self.drop(key, ref)

    def drop(self, key: Key, ref: Ref) -> None:
        """Forget an object."""
        self._changes.pop((key, ref), None)
