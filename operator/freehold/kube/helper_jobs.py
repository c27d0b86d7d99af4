"""Helper Jobs, which read contracts and probe network policies: how many run at the same time for a namespace.

Without a bound, a namespace with very many new services would start as many pods at once, and the API server and the
nodes would answer everybody late.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable

from freehold.core.contracts.plan import CAPABILITY as CONTRACTS
from freehold.core.model.resources import Key, Object, Ref
from freehold.core.objects import jobs, meta
from freehold.core.verification.plan import CAPABILITY as VERIFICATION
from freehold.kube.cache import Cache

MOST = 8
CREATION_SECONDS = 20.0
"""The longest time from the permission to create a Job until the cache has it (`client.REQUEST_SECONDS`)."""
RETRY_SECONDS = 15.0
"""The time after which a service asks again for a place, in case no end of a Job was seen."""


class HelperJobs:
    """The helper Jobs that this process has created and that run, by namespace. clock: in monotonic seconds."""

    def __init__(self, cache: Cache, clock: Callable[[], float] = time.monotonic) -> None:
        self._cache = cache
        self._clock = clock
        self._running: defaultdict[str, dict[tuple[Key, Ref], float]] = defaultdict(dict)
        self._waiting: dict[Key, None] = {}

    def admits(self, key: Key, body: Object) -> bool:
        """Return whether an object may be created now: every object that is no helper Job, and a number of these."""
        if body["kind"] != "Job" or body["metadata"]["labels"][meta.CAPABILITY] not in (CONTRACTS, VERIFICATION):
            return True
        running = self._still_running(key.namespace)
        if len(running) >= MOST:
            self._waiting[key] = None
            return False
        running[key, Ref("Job", body["metadata"]["name"])] = self._clock()
        self._waiting.pop(key, None)
        return True

    def pause(self, key: Key) -> float | None:
        """Return the seconds after which a service is to ask again; None for a service that does not wait."""
        return RETRY_SECONDS if key in self._waiting else None

    def freed(self, namespace: str) -> list[Key]:
        """Return the services that may ask for the places that became free, those first that have waited longest."""
        self._waiting = {key: None for key in self._waiting if key in self._cache.services}
        waiting = [key for key in self._waiting if key.namespace == namespace]
        places = MOST - len(self._still_running(namespace)) if waiting else 0
        return waiting[:places]

    def _still_running(self, namespace: str) -> dict[tuple[Key, Ref], float]:
        """Forget the Jobs that ended, and return the others."""
        running = {job: since for job, since in self._running.pop(namespace, {}).items() if self._runs(*job, since)}
        self._running[namespace] = running
        return running

    def _runs(self, key: Key, ref: Ref, since: float) -> bool:
        if stored := self._cache.owned.get(key, {}).get(ref):
            return jobs.ended(stored.unpack()) is None
        return self._clock() < since + CREATION_SECONDS
