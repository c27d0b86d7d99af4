"""The memory of written objects: an object that somebody keeps undoing is written again after growing pauses, and a
workload that admission changes is not written again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from freehold.core.model import messages
from freehold.core.model.resources import Key, Object, Ref
from freehold.kube import diff
from freehold.kube.errors import ContestedError
from freehold.kube.kinds import WORKLOADS

AT_ONCE = 3
"""The rewrites without a pause: somebody's edits by hand are undone at once."""
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 300.0
QUIET_SECONDS = 900.0
"""An object that stays as written for this time is forgotten."""
RECREATED = frozenset({"Pod", "Job"})
"""Kinds that the cluster itself deletes, as when a node is drained; they are made again without a pause."""
MOST_NAMES, LONGEST_NAME = 3, 60
MOST_ADMITTED = 10_000
"""The most workloads remembered as admission has changed them; one that is forgotten is written once more."""
ADMITTED = frozenset(kind.name for kind in WORKLOADS)
"""Kinds that a platform may change as they are written: it rounds requests up, or writes its own registry into images.
Other kinds, such as network policies and Services, are written again and reported as contested."""


class Written(NamedTuple):
    """A write. content: its digest. times: the writes of the same content before. managers: whose fields the write
    removed, as text."""

    content: str
    at: float
    times: int
    managers: str


class Rewrites:
    """The last write of each object. clock: returns seconds on a monotonic clock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._written: dict[tuple[Key, Ref], Written] = {}
        self._admitted: dict[tuple[Key, Ref], str] = {}

    def check(self, key: Key, ref: Ref, content: str) -> None:
        """Raise ContestedError if the same content was written too often to be written again now."""
        last = self._written.get((key, ref))
        if last is None or last.content != content:
            return
        exponent = min(last.times - AT_ONCE, 20)
        pause = min(FIRST_PAUSE * 2**exponent, LONGEST_PAUSE) if exponent >= 0 else 0.0
        left = last.at + pause - self._clock()
        if left > 0:
            who = f"field manager {last.managers}" if last.managers else "somebody"
            state = f"{ref.kind} {ref.name} is not as declared; {who} changes or deletes it again and again"
            interval = f"Freehold writes it at growing intervals of up to {LONGEST_PAUSE / 60:.0f} minutes"
            raise ContestedError(f"{state}, and {interval}; stop the other writer", left)

    def record(self, key: Key, ref: Ref, content: str, managers: Iterable[str] = ()) -> None:
        """Record a write. managers: the field managers whose fields the write removed."""
        last, now = self._written.pop((key, ref), None), self._clock()
        again = last is not None and last.content == content and now - last.at <= QUIET_SECONDS
        times = last.times + 1 if last and again else 0
        names = _as_text(managers) or (last.managers if last and again else "")
        self._written[key, ref] = Written(content, now, times, names)
        oldest = next(iter(self._written))  # writes are in order of time; each write forgets one at most
        if now - self._written[oldest].at > QUIET_SECONDS:
            del self._written[oldest]

    def record_admitted(self, key: Key, written: Object, body: Object) -> None:
        """Record the object that the API server returned for a change, if a workload is not as sent: by admission.

        The answer to a creation does not count: admission may act on creations alone.
        """
        about = key, _ref(written)
        self._admitted.pop(about, None)
        if about[1].kind in ADMITTED and not diff.contains(written, body):
            self._admitted[about] = diff.content(written)
        if len(self._admitted) > MOST_ADMITTED:
            del self._admitted[next(iter(self._admitted))]

    def is_admitted(self, key: Key, live: Object, body: Object) -> bool:
        """Return whether a workload is as the API server returned it when the same content was written."""
        as_returned = self._admitted.get((key, _ref(live))) == diff.content(live)
        return as_returned and diff.contains(live["metadata"], body["metadata"])

    def forget(self, key: Key, ref: Ref) -> None:
        """Forget an object that Freehold itself deletes."""
        self._written.pop((key, ref), None)
        self._admitted.pop((key, ref), None)


def _ref(live: Object) -> Ref:
    return Ref(live["kind"], live["metadata"]["name"])


def _as_text(managers: Iterable[str]) -> str:
    """Return some names in quotation marks, bounded and visible: who writes an object chooses the name."""
    return messages.listed((f'"{messages.visible(name[:LONGEST_NAME])}"' for name in sorted(set(managers))), MOST_NAMES)
