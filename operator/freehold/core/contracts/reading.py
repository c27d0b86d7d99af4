"""One reader Job of an image: how many containers answer, and how many of others share the kubelet's bound."""

from __future__ import annotations

from typing import NamedTuple

from freehold.core.model.resources import Observed
from freehold.core.objects import jobs


class Reading(NamedTuple):
    """A reader Job of an image. parts: the number of readers. injected: containers of others in the pod, as far as
    known, which share the kubelet's bound."""

    name: str
    parts: int = 1
    injected: int = 0

    @property
    def readers(self) -> tuple[str, ...]:
        """The names of the containers that answer."""
        return tuple(f"reader-{part}" for part in range(self.parts))

    def injected_in(self, observed: Observed) -> int:
        """Return the number of containers that others added to the pod: all but the readers and the service."""
        specs = [pod["spec"] for pod in jobs.pods_of(observed, self.name)]
        counts = (sum(len(spec.get(kind, [])) for kind in jobs.CONTAINERS) for spec in specs)
        return max(counts, default=0) - self.parts - 1
