"""The operator: watches fill the cache, the cache wakes services, and each service is observed, planned and applied."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from freehold.controller import metrics, reporting
from freehold.controller.grants import Grants
from freehold.controller.queue import Queue
from freehold.controller.remote_clusters import RemoteClusters
from freehold.controller.settings import Settings
from freehold.core.model.case import Case
from freehold.core.model.conditions import Event
from freehold.core.model.resources import Key, Object, Plan, Service
from freehold.core.reconcile import Report, reconcile, report, report_invalid, report_unknown_cluster
from freehold.kube import apply, certificate_authority, kinds, observation
from freehold.kube.cache import Cache
from freehold.kube.client import WATCH_SECONDS, Api
from freehold.kube.errors import ClusterError, RefusedError, TransientError
from freehold.kube.observation import Inputs, InvalidResource
from freehold.kube.watch import Watch
from freehold.monitors.replication import ReplicationMonitor
from freehold.monitors.sentinel import Sentinel

logger = logging.getLogger(__name__)
WORKERS = 10
RESYNC_SECONDS = 600.0
"""The interval at which every service is reconciled without a wake, in case an event was missed."""
REFUSED_RETRY_SECONDS = 30.0
"""The longest pause after a refusal: a raised quota or a free name causes no event."""
MAX_PASSES = 4
"""The most passes of a reconciliation, which ends at a pass without writes. Later writes of others wake the service."""
SILENT_SECONDS = 3 * WATCH_SECONDS
"""The time without an answer after which a watch counts as silent."""


class Operator:
    """The running operator, started and stopped by the kopf handlers."""

    def __init__(self, api: Api, settings: Settings) -> None:
        self.api = api
        self.settings = settings
        self.queue = Queue(self._work)
        self.cache = Cache(self.queue.wake)
        self.watches = list(self._watches())
        self.grants = Grants(api, self.cache)
        self.remote_clusters = RemoteClusters(api, self.cache)
        account = settings.platform.account.replace(":", "/")
        self.sentinel = Sentinel(self.cache, account, settings.canaries, self._on_findings)
        self.replication = ReplicationMonitor(self.cache, lambda keys: self.cache.wake(*keys))
        self._reported_unenforced: tuple[str, ...] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def _watches(self) -> Iterable[Watch]:
        for namespace in self.settings.namespaces or (None,):
            yield Watch(self.api, kinds.MICROSERVICE, self._put_service, self._drop_service, namespace)
            for kind in (*(kind for kind in kinds.OWNED if kind is not kinds.SECRET), kinds.POD):
                on_change = self._wake_all if kind.optional else Watch.on_change
                labels = ",".join(filter(None, (kinds.SELECTOR, kind.labels)))
                yield Watch(self.api, kind, self.cache.put_owned, self.cache.drop_owned, namespace, labels, on_change)
        yield Watch(self.api, kinds.NAMESPACE, self.cache.put_namespace, self.cache.drop_namespace)
        yield Watch(self.api, kinds.STORAGE_CLASS, self.cache.put_storage_class, self.cache.drop_storage_class)

    async def start(self) -> None:
        """Start the watches, and the workers after every first list: an incomplete view would cut off callers."""
        await self._load_authority()
        self._tasks = [asyncio.create_task(watch.run()) for watch in self.watches]
        await asyncio.gather(*(watch.synced.wait() for watch in self.watches))
        self._follow()
        self.cache.wake(*self.cache.owned)  # objects of services that were deleted while no operator ran
        names = self.settings.namespaces
        where = f"namespaces {', '.join(names)}" if names else "all namespaces"
        logger.info("watching %d services in %s", len(self.cache.local_services), where)
        self._tasks += [asyncio.create_task(self.queue.run()) for _ in range(WORKERS)]
        self._tasks += [asyncio.create_task(self._resync()), asyncio.create_task(self.replication.run())]
        if self.settings.pod:  # attempts from outside the cluster prove nothing
            self._tasks.append(asyncio.create_task(self.sentinel.run()))

    async def stop(self) -> None:
        self.grants.stop()
        await self.remote_clusters.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.api.close()

    def totals(self) -> metrics.Totals:
        """Return the current values of the metrics."""
        return metrics.count(self.cache, self.sentinel.findings)

    def silent_kinds(self) -> list[str]:
        """Return the kinds whose watches have received no answer for SILENT_SECONDS."""
        now = time.monotonic()
        watches = (*self.watches, *self.grants.watches())
        return [watch.kind.plural for watch in watches if now - watch.last_answer > SILENT_SECONDS]

    def _put_service(self, live: Object) -> None:
        self.cache.put_service(live, *observation.declared(live))
        self._follow()

    def _drop_service(self, live: Object) -> None:
        key = Key(live["metadata"]["namespace"], live["metadata"]["name"])
        self.cache.drop_service(key)
        self.queue.forget(key)
        self._follow()

    def _follow(self) -> None:
        """Watch the Secrets in the namespaces of services, and the remote clusters that services name."""
        if all(watch.synced.is_set() for watch in self.watches):
            self.grants.follow({key.namespace for key in self.cache.local_services})
            self.remote_clusters.follow()

    def _wake_all(self) -> None:
        self.cache.wake(*self.cache.local_services)

    async def _load_authority(self) -> None:
        self.authority = await certificate_authority.load(self.api, self.settings.home, _now())

    def _on_findings(self, keys: Iterable[Key]) -> None:
        """Wake services whose findings have changed, and report whether policies are enforced."""
        self.cache.wake(*keys)
        findings, reported = self.sentinel.findings, self._reported_unenforced
        if reported != findings.unenforced and (findings.canaries or reported):
            self._reported_unenforced = findings.unenforced
            self._tasks.append(asyncio.create_task(self._report_event(reporting.policy_event(findings))))

    async def _report_event(self, event: Event) -> None:
        """Log an Event, and write it about the operator's pod."""
        logger.log(logging.WARNING if event.type == "Warning" else logging.INFO, "%s", event.note)
        try:
            if self.settings.pod:
                await apply.write_event(self.api, self.settings.pod, event)
        except ClusterError as error:
            logger.warning("cannot write an Event about the operator's pod: %s", error.message)

    async def _resync(self) -> None:
        while True:
            await asyncio.sleep(RESYNC_SECONDS)
            try:
                await self._load_authority()
            except (ClusterError, certificate_authority.UnusableAuthorityError) as error:
                logger.warning("cannot reload the certificate authority, the previous one stays in use: %s", error)
            self._wake_all()

    async def _work(self, key: Key) -> float | None:
        """Reconcile a service. Returns the seconds until the next reconciliation, or None to wait for a wake."""
        with metrics.DURATION.time():
            return await self._process(key)

    async def _process(self, key: Key) -> float | None:
        stored = self.cache.services.get(key)
        if stored is None:
            await apply.sweep(self.api, self.cache, key)
            return None
        if not self.grants.known(key.namespace):
            return None  # the answer to the watch of Secrets wakes the service
        live = stored.unpack()
        if "deletionTimestamp" in live["metadata"]:
            return None  # the cluster's garbage collector deletes owned objects; kept data has no owner
        try:
            service = observation.parse(live)
        except InvalidResource as error:
            return await self._report_invalid(key, live, error)
        unknown = self.remote_clusters.unknown(service)
        if unknown is not None:
            return await self._hold(service, live.get("status", {}), unknown)
        return await self._reconcile(service, live.get("status", {}))

    async def _hold(self, service: Service, status: Object, cause: str) -> float | None:
        """Report an unknown counterpart, and wait for a wake. cause: empty while the first check runs."""
        held = report_unknown_cluster(service.generation, status, _now(), cause)
        return await self._write_report(service.key, service.uid, status, held) if cause else None

    async def _reconcile(self, service: Service, status: Object) -> float | None:
        case, plans = self._plan(service, status)
        try:
            for _ in range(MAX_PASSES):
                # Objects change by a write, and further writes may become due: Ready is reported after a pass without
                # writes.
                if not await apply.apply(self.api, self.cache, case, plans):
                    break
                if self.remote_clusters.unknown(service) is not None:
                    return None  # the counterpart became unknown meanwhile
                case, plans = self._plan(service, status)
        except TransientError:
            raise
        except ClusterError as error:
            refused = report(case, plans, reporting.refusal(error))
            pause = await self._write_report(service.key, service.uid, status, refused)
            return min(pause or REFUSED_RETRY_SECONDS, REFUSED_RETRY_SECONDS)
        pause = await self._write_report(service.key, service.uid, status, report(case, plans))
        pauses = [seconds for seconds in (pause, *(plan.retry_after for plan in plans)) if seconds is not None]
        return min(pauses, default=None)

    def _plan(self, service: Service, status: Object) -> tuple[Case, tuple[Plan, ...]]:
        """Return the current observation of a service, and the plans of all capabilities."""
        served = all(watch.served for watch in self.watches)
        inputs = Inputs(
            self.settings.platform,
            self.authority,
            self.grants,
            self.sentinel.findings,
            served,
            self.replication.progress,
        )
        observed = observation.observe(self.cache, service, inputs, status, _now())
        case = Case(service, replace(observed, silent_cluster=self.remote_clusters.silent(service)))
        return case, reconcile(case)

    async def _report_invalid(self, key: Key, live: Object, error: InvalidResource) -> float | None:
        status, metadata = live.get("status", {}), live["metadata"]
        invalid = report_invalid(metadata["generation"], status, _now(), str(error))
        return await self._write_report(key, metadata["uid"], status, invalid)

    async def _write_report(self, key: Key, uid: str, status: Object, new: Report) -> float | None:
        """Write a changed status and the Events. Returns the seconds to wait if the write is not due yet."""
        if new.status == status:
            return None
        if new.pause > 0:
            return new.pause
        try:
            self._put_service(await apply.write_status(self.api, key, uid, new.status))
            for event in new.events:
                await apply.write_event(self.api, apply.resource(key, uid), event)
        except RefusedError as error:
            logger.info("%s: cannot write the status, perhaps since the resource is deleted: %s", key, error.message)
        return None


def _now() -> datetime:
    """Return the current time in seconds, the precision of the API."""
    return datetime.now(UTC).replace(microsecond=0)
