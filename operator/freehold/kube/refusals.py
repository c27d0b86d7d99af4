"""Refusals of pods: by a quota, a limit range, Pod Security, a policy or a webhook.

The controllers of StatefulSets and Jobs report them in Events alone. Whoever may create Events in a namespace can forge
one, for the objects of that namespace: a refusal is believed while the object has no newer pod. Kept are the last
refusal of each object of Freehold's, and a bounded number in a namespace.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, StringConstraints

from freehold.core.model.resources import Key, Object, Ref
from freehold.core.model.troubles import Refusal
from freehold.core.objects import troubles
from freehold.kube.cache import Cache

MOST = 1000
"""The most objects of a namespace whose refusals are kept, each of about one KiB."""
NOTE_CHARACTERS = 1024
"""As many as the API server stores in a note (events.k8s.io/v1)."""


def _with_zone(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(_with_zone)]
Text = Annotated[str, StringConstraints(max_length=253)]


class _Regarding(BaseModel):
    """The object of an Event, of which any part may be missing: others write Events of this reason as well."""

    kind: Text = ""
    namespace: Text = ""
    name: Text = ""
    uid: Text = ""


class _Series(BaseModel):
    lastObservedTime: Moment


class _Metadata(BaseModel):
    namespace: Text
    creationTimestamp: Moment


class _Event(BaseModel):
    """The part of an Event that is read. Of the three times, older and newer clients set different ones."""

    metadata: _Metadata
    regarding: _Regarding = _Regarding()
    note: str = ""
    eventTime: Moment | None = None
    deprecatedLastTimestamp: Moment | None = None
    series: _Series | None = None

    @property
    def at(self) -> datetime:
        """The time of the last occurrence."""
        last = self.series.lastObservedTime if self.series else None
        known = (last, self.deprecatedLastTimestamp, self.eventTime)
        return max(filter(None, known), default=self.metadata.creationTimestamp)


class Refusals(dict[tuple[str, Ref], Refusal]):
    """The last refusal of pods of each StatefulSet and Job, by namespace and object.

    wake: called with the service of a refusal that says something new. clock: returns the time.
    """

    def __init__(
        self, cache: Cache, wake: Callable[[Key], None], clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        super().__init__()
        self._cache = cache
        self._wake = wake
        self._clock = clock
        self._counts: Counter[str] = Counter()

    def put(self, live: Object) -> None:
        """Keep the refusal of an Event that regards an object of Freehold's. Raises ValueError for another form."""
        event, now = _Event.model_validate(live), self._clock()
        namespace, ref = event.metadata.namespace, Ref(event.regarding.kind, event.regarding.name)
        service = self._cache.service_of.get((namespace, ref))
        stored = self._cache.owned.get(service, {}).get(ref) if service else None
        if not service or not stored or stored.uid != event.regarding.uid or event.regarding.namespace != namespace:
            return
        at, known = min(event.at, now), self.get((namespace, ref))
        known = known if known and known.uid == stored.uid else None
        if now - at > troubles.LATEST or (known and known.at > at):
            return
        self._keep(namespace, ref, Refusal(stored.uid, event.note[:NOTE_CHARACTERS], known.since if known else at, at))
        if known is None or known.note != event.note[:NOTE_CHARACTERS]:
            self._wake(service)

    def forget(self, pod: Object) -> None:
        """Forget the refusals of the controllers of a pod that were made before the pod."""
        namespace = pod["metadata"]["namespace"]
        for owner in pod["metadata"].get("ownerReferences", []):
            ref = Ref(owner["kind"], str(owner.get("name")))
            refusal = self.get((namespace, ref))
            if refusal and refusal.uid == owner["uid"] and troubles.is_newer(pod, refusal.at):
                self._drop(namespace, ref)

    def _keep(self, namespace: str, ref: Ref, refusal: Refusal) -> None:
        """Keep a refusal as the latest, and drop those that are out of date."""
        self._drop(namespace, ref)
        while self and self._clock() - next(iter(self.values())).at > troubles.LATEST:
            self._drop(*next(iter(self)))
        if self._counts[namespace] < MOST:
            self[namespace, ref] = refusal
            self._counts[namespace] += 1

    def _drop(self, namespace: str, ref: Ref) -> None:
        if self.pop((namespace, ref), None):
            self._counts[namespace] -= 1
            if not self._counts[namespace]:
                del self._counts[namespace]
