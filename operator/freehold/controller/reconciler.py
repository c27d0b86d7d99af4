"""The reconciliation of one service: from its stored resource to written objects and a status."""

from __future__ import annotations

import logging
from collections.abc import Callable

from freehold.controller import metrics, reporting
from freehold.controller.contract_checks import ContractChecks
from freehold.controller.database_rollout import DatabaseRollout
from freehold.controller.grants import Grants
from freehold.controller.planner import Planner, now
from freehold.controller.remote_clusters import RemoteClusters
from freehold.core.model.resources import Key, Object, Service
from freehold.core.reconcile import Report, report, report_invalid, report_unknown_cluster
from freehold.kube import apply, observation
from freehold.kube.cache import Cache
from freehold.kube.client import Api
from freehold.kube.errors import ClusterError, ContestedError, RefusedError, TransientError
from freehold.kube.helper_jobs import HelperJobs
from freehold.kube.observation import InvalidResource
from freehold.kube.rewrites import Rewrites

logger = logging.getLogger(__name__)
REFUSED_RETRY_SECONDS = 30.0
"""The longest pause after a refusal: a raised quota or a free name causes no event."""
MAX_PASSES = 4
"""The most passes of a reconciliation, which ends at a pass without writes. Later writes of others wake the service."""


class Reconciler:
    """Reconciles services of the cache. put_service: stores a Microservice that the API server has returned."""

    def __init__(
        self,
        api: Api,
        cache: Cache,
        grants: Grants,
        remote_clusters: RemoteClusters,
        contract_checks: ContractChecks,
        planner: Planner,
        rollout: DatabaseRollout,
        put_service: Callable[[Object], None],
    ) -> None:
        self._api = api
        self._cache = cache
        self._grants = grants
        self._remote_clusters = remote_clusters
        self._contract_checks = contract_checks
        self._planner = planner
        self._rollout = rollout
        self._put_service = put_service
        self._rewrites = Rewrites()
        self._helpers = HelperJobs(cache)

    async def work(self, key: Key) -> float | None:
        """Reconcile a service. Returns the seconds until the next reconciliation, or None to wait for a wake."""
        try:
            with metrics.DURATION.time():
                return await self._process(key)
        finally:
            self._rollout.end(key, now())

    async def _process(self, key: Key) -> float | None:
        stored = self._cache.services.get(key)
        if key in self._cache.unusable:
            await reporting.report_unusable(self._api, key, self._cache.unusable[key], now())
            return None
        if stored is None:
            await apply.sweep(self._api, self._cache, key)
            return None
        if not self._grants.known(key.namespace):
            return None  # the answer to the watch of Secrets wakes the service
        live = stored.unpack()
        if "deletionTimestamp" in live["metadata"]:
            return None  # the cluster's garbage collector deletes owned objects; kept data has no owner
        if hidden := self._cache.hidden_data(key):
            fault = f"{hidden} cannot be used: too large, or the namespace has too many objects with Freehold's label"
            return await self._report_invalid(live, fault)
        try:
            service = observation.parse(live)
        except InvalidResource as error:
            return await self._report_invalid(live, str(error))
        unknown = self._remote_clusters.unknown(service)
        if unknown is None:
            return await self._reconcile(service, live)
        if not unknown:
            return None  # the end of the first check wakes the service
        held = report_unknown_cluster(service.generation, live.get("status", {}), now(), unknown)
        return await self._write_report(live, held)

    async def _reconcile(self, service: Service, live: Object) -> float | None:
        status = live.get("status", {})
        if (planned := await self._planner.plan(service, status)) is None:
            return None
        case, plans = planned
        try:
            for _ in range(MAX_PASSES):
                if (seconds := self._contract_checks.wait(service.key, plans)) is not None:
                    return seconds  # or earlier: the results wake the service
                # Objects change by a write, and further writes may become due: Ready is reported after a pass without
                # writes.
                if not await apply.apply(self._api, self._cache, case, plans, self._rewrites, self._helpers):
                    break
                if (planned := await self._planner.plan(service, status)) is None:
                    return None
                case, plans = planned
        except TransientError:
            raise
        except ClusterError as error:
            pause = await self._write_report(live, report(case, plans, reporting.refusal(error)))
            retry = error.retry_after if isinstance(error, ContestedError) else REFUSED_RETRY_SECONDS
            return min(pause or retry, retry)
        pause, helpers = await self._write_report(live, report(case, plans)), self._helpers.pause(service.key)
        self._cache.wake(*(key for key in self._helpers.freed(service.namespace) if key != service.key))
        pauses = [seconds for seconds in (pause, helpers, *(plan.retry_after for plan in plans)) if seconds is not None]
        return min(pauses, default=None)

    async def _report_invalid(self, live: Object, fault: str) -> float | None:
        generation, status = live["metadata"]["generation"], live.get("status", {})
        return await self._write_report(live, report_invalid(generation, status, now(), fault))

    async def _write_report(self, live: Object, new: Report) -> float | None:
        """Write a changed status, and the Events. Returns the seconds to wait if the write is not due yet."""
        if new.status == live.get("status", {}):
            return None
        if new.pause > 0:
            return new.pause
        try:
            self._cache.dropped.put_written(await reporting.write(self._api, live, new), self._put_service)
        except RefusedError as error:
            name = live["metadata"]["name"]
            logger.info("%s: cannot write the status, perhaps since the resource is deleted: %s", name, error.message)
        return None
