"""The rollout of a change of the platform over all databases: one after the other, and no further where one stays down.

Which databases are restarted and not Ready again is read from the cluster (`core/database/platform_change.py`), so that
another operator continues. Memory holds only who waits, and whose write is not in the cache yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from freehold.core.database.turn import STOPPED_AFTER
from freehold.core.model import remote
from freehold.core.model.resources import Key, Plan, Turn
from freehold.kube.cache import Cache


class Progress(NamedTuple):
    """The databases of a rollout: those that wait, those restarted and not Ready again, and those so for long."""

    waiting: frozenset[Key]
    under_way: frozenset[Key]
    stopped: frozenset[Key]


class DatabaseRollout:
    """Gives databases their turn.

    wake: queues a service. report: is called with the progress when other databases than before stop the rollout, or
    none does any more. at_once: how many databases may be down for a change.
    """

    def __init__(
        self, cache: Cache, wake: Callable[[Key], None], report: Callable[[Progress], None], at_once: int = 1
    ) -> None:
        self._cache = cache
        self._wake = wake
        self._report = report
        self._at_once = at_once
        self._stopped: frozenset[Key] = frozenset()
        self._taken: set[Key] = set()
        self._waiting: set[Key] = set()

    def has_turn(self, key: Key) -> bool:
        """Return whether a change of the platform may restart the database of a service now."""
        return len(self._down() - {key}) < self._at_once

    def record(self, key: Key, plans: Iterable[Plan]) -> None:
        """Record from the plans of a service whether the database takes its turn, or waits."""
        turns = {plan.turn for plan in plans}
        for turn, known in ((Turn.TAKEN, self._taken), (Turn.WAITING, self._waiting)):
            (known.add if turn in turns else known.discard)(key)

    def end(self, key: Key, now: datetime) -> None:
        """Record the end of a reconciliation: what was written is in the cache. Wakes those who are next."""
        self._taken.discard(key)
        self._waiting.intersection_update(self._cache.services)
        free = max(0, self._at_once - len(self._down()))
        for waiting in sorted(self._waiting)[:free]:
            self._waiting.discard(waiting)  # until the plan says so again
            self._wake(waiting)
        if (progress := self.progress(now)).stopped != self._stopped:
            self._stopped = progress.stopped
            self._report(progress)

    def progress(self, now: datetime) -> Progress:
        """Return the databases of the present rollout."""
        since = dict(self._changing())
        stopped = frozenset(key for key, moment in since.items() if moment + STOPPED_AFTER <= now)
        return Progress(frozenset(self._waiting), frozenset(since), stopped)

    def _down(self) -> set[Key]:
        return {key for key, _ in self._changing()} | self._taken

    def _changing(self) -> Iterator[tuple[Key, datetime]]:
        """Yield the services whose own servers are changed; others may have copied the annotation."""
        for key, owner, since in self._cache.changes:
            service = self._cache.services.get(key)
            if service and service.uid == owner and not remote.is_remote(key.namespace):
                yield key, since
