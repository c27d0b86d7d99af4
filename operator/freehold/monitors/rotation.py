"""The services that a monitor asks in a round: some of all, and the namespaces in turn."""

from __future__ import annotations

from collections.abc import Iterable

from freehold.core.model.lanes import Lanes
from freehold.core.model.resources import Key


class Rotation:
    """Chooses the services of each round, so that many services of one namespace do not delay those of others."""

    def __init__(self) -> None:
        self._lanes: Lanes[Key] = Lanes()

    def next(self, services: Iterable[Key], most: int) -> list[Key]:
        """Return at most `most` of the services, those first that were not chosen for the longest time."""
        present = set(services)
        for key in sorted(present):
            self._lanes.put(key.namespace, key)
        chosen: list[Key] = []
        while len(chosen) < most and (taken := self._lanes.take()):
            if taken[1] in present:
                chosen.append(taken[1])
        return chosen
