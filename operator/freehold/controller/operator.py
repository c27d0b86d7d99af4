"""The operator: watches fill the cache, the cache wakes services, and each service is observed, planned and applied."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from freehold.controller import leadership, metrics, reporting
from freehold.controller.contract_checks import ContractChecks
from freehold.controller.database_rollout import DatabaseRollout, Progress
from freehold.controller.grants import Grants
from freehold.controller.loop_monitor import LoopMonitor
from freehold.controller.planner import Planner, now
from freehold.controller.queue import Queue
from freehold.controller.reconciler import Reconciler
from freehold.controller.remote_clusters import RemoteClusters
from freehold.controller.settings import Settings
from freehold.controller.supervision import supervise
from freehold.core.model.events import Event
from freehold.core.model.resources import Key, Object
from freehold.core.objects import troubles
from freehold.kube import apply, certificate_authority, kinds, observation
from freehold.kube.cache import Cache
from freehold.kube.client import WATCH_SECONDS, Api
from freehold.kube.errors import ClusterError
from freehold.kube.lease import Lease
from freehold.kube.observation import Inputs
from freehold.kube.refusals import Refusals
from freehold.kube.watch import Watch
from freehold.monitors.dns import DnsMonitor, DnsState
from freehold.monitors.replication import ReplicationMonitor
from freehold.monitors.sentinel import Sentinel

logger = logging.getLogger(__name__)
WORKERS = 10
"""The number of concurrent reconciliations; the services of one namespace get at most half."""
RESYNC_SECONDS = 600.0
"""The interval at which every service is reconciled without a wake, in case an event was missed."""
SILENT_SECONDS = 3 * WATCH_SECONDS
"""The time without an answer after which a watch counts as silent."""


class Operator:
    """The running operator, started and stopped by the kopf handlers. Without a lease, it always acts."""

    def __init__(self, api: Api, settings: Settings, lease: Lease | None) -> None:
        self.api = api
        self.settings = settings
        self.lease = lease
        self.queue = Queue(lambda key: self.reconciler.work(key))
        self.loop_monitor = LoopMonitor()
        self.cache = Cache(self.queue.wake, self.queue.wake)
        self.refusals = Refusals(self.cache, self._wake_after_refusal)
        self.watches = list(self._watches())
        self.refusal_watches = [
            Watch(api, kinds.REFUSAL, self.refusals.put, None, where) for where in settings.namespaces or (None,)
        ]
        self.grants = Grants(api, self.cache)
        self.remote_clusters = RemoteClusters(api, self.cache, settings.home)
        self.contract_checks = ContractChecks(self.cache.wake)
        account = settings.platform.account.replace(":", "/")
        self.sentinel = Sentinel(self.cache, account, settings.canaries, self._on_findings)
        self.dns = DnsMonitor(api, settings.dns, self._on_dns)
        self.replication = ReplicationMonitor(self.cache, lambda keys: self.cache.wake(*keys))
        self.rollout = DatabaseRollout(self.cache, self.cache.wake, self._on_rollout, settings.databases_at_once)
        self.planner = Planner(
            self.cache, self.remote_clusters, self.contract_checks, self.loop_monitor, self.rollout, self._inputs
        )
        self.reconciler = Reconciler(
            api,
            self.cache,
            self.grants,
            self.remote_clusters,
            self.contract_checks,
            self.planner,
            self.rollout,
            self._put_service,
        )
        self._reported_unenforced: tuple[str, ...] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def _watches(self) -> Iterable[Watch]:
        for namespace in self.settings.namespaces or (None,):
            put, drop, unusable = self._put_service, self._drop_service, self._put_unusable
            yield Watch(self.api, kinds.MICROSERVICE, put, drop, namespace, on_dropped=unusable)
            for kind in (*(kind for kind in kinds.OWNED if kind is not kinds.SECRET), kinds.POD):
                on_change = self._wake_all if kind.optional else Watch.on_change
                labels = ",".join(filter(None, (kinds.SELECTOR, kind.labels)))
                put_owned = self._put_pod if kind is kinds.POD else self.cache.put_owned
                yield Watch(self.api, kind, put_owned, self.cache.drop_owned, namespace, labels, on_change)
        yield Watch(self.api, kinds.NAMESPACE, self.cache.put_namespace, self.cache.drop_namespace)
        yield Watch(self.api, kinds.STORAGE_CLASS, self.cache.put_storage_class, self.cache.drop_storage_class)

    async def start(self) -> None:
        """Start the watches, and the work after every first list: an incomplete view would cut off callers."""
        await self.remote_clusters.load()
        self._run("remote clusters", self.remote_clusters.run)
        self._run("loop monitor", self.loop_monitor.run)
        for watches in (self.watches, self.refusal_watches):  # an Event about an object not known yet is ignored
            for watch in watches:
                self._run(f"watch of {watch.kind.plural}", watch.run)
            await asyncio.gather(*(watch.synced.wait() for watch in watches))
        self._follow()
        names = self.settings.namespaces
        where = f"namespaces {', '.join(names)}" if names else "all namespaces"
        logger.info("watching %d services in %s", len(self.cache.local_services), where)
        self._tasks.add(asyncio.create_task(leadership.act(self.lease, self._lead)))

    def _run(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run a task until the operator stops."""
        self._tasks.add(asyncio.create_task(supervise(name, run)))

    async def _lead(self) -> None:
        """Reconcile services and observe the cluster until cancelled."""
        await self._load_authority()
        await self.dns.locate()
        self._wake_all()
        self.cache.wake(*self.cache.owned)  # objects of services that were deleted while no operator acted
        work = {
            **{f"worker {number}": self.queue.run for number in range(WORKERS)},
            "contract checks": self.contract_checks.run,
            "resync": self._resync,
            "replication": self.replication.run,
            "DNS": self.dns.run,
        }
        if self.settings.pod:  # attempts from outside the cluster prove nothing
            work["sentinel"] = self.sentinel.run
        async with asyncio.TaskGroup() as group:
            for name, run in work.items():
                group.create_task(supervise(name, run))

    async def stop(self) -> None:
        self.grants.stop()
        await self.remote_clusters.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.lease:
            await self.lease.close()
        await self.api.close()

    def totals(self) -> metrics.Totals:
        """Return the current values of the metrics."""
        leader, closed = not self.lease or self.lease.held(), bool(self.dns.state.warning)
        progress = self.rollout.progress(now())
        return metrics.count(self.cache, self.sentinel.findings, progress, leader=leader, dns_closed=closed)

    def silent_kinds(self) -> list[str]:
        """Return the kinds whose watches have received no answer for SILENT_SECONDS."""
        moment = time.monotonic()
        watches = (*self.watches, *self.refusal_watches, *self.grants.watches())
        return [watch.kind.plural for watch in watches if moment - watch.last_answer > SILENT_SECONDS]

    def _put_service(self, live: Object) -> None:
        metadata = live["metadata"]
        with self.loop_monitor.working_on(f"the change of {metadata['namespace']}/{metadata['name']}"):
            self.cache.put_service(live, *observation.declared(live))
        self._follow()

    def _put_pod(self, live: Object) -> None:
        self.cache.put_owned(live)
        self.refusals.forget(live)

    def _wake_after_refusal(self, key: Key) -> None:
        """Wake a service once a refusal counts; most are over by then."""
        asyncio.get_running_loop().call_later(troubles.SETTLES.total_seconds() + 1, self.cache.wake, key)

    def _drop_service(self, live: Object) -> None:
        key = Key(live["metadata"]["namespace"], live["metadata"]["name"])
        self.cache.drop_service(key)
        self.queue.forget(key)
        self._follow()

    def _put_unusable(self, live: Object, error: Exception) -> None:
        cause = f"the resource cannot be used: {str(error)[:300]}"
        self.cache.put_unusable(Key(live["metadata"]["namespace"], live["metadata"]["name"]), cause)

    def _follow(self) -> None:
        """Watch the Secrets in the namespaces of services, and the remote clusters that services name."""
        if all(watch.synced.is_set() for watch in self.watches):
            self.grants.follow({key.namespace for key in self.cache.local_services})
            self.remote_clusters.follow()

    def _wake_all(self) -> None:
        self.cache.wake(*self.cache.local_services)

    async def _load_authority(self) -> None:
        self.authority = await certificate_authority.load(self.api, self.settings.home, now())

    def _on_findings(self, keys: Iterable[Key]) -> None:
        """Wake services whose findings have changed, and report whether policies are enforced."""
        self.cache.wake(*keys)
        findings, reported = self.sentinel.findings, self._reported_unenforced
        if reported != findings.unenforced and (findings.canaries or reported):
            self._reported_unenforced = findings.unenforced
            self._report(reporting.policy_event(findings))

    def _on_dns(self, before: DnsState) -> None:
        """Wake all services when DNS has moved, and report when it is closed, and when it is open again."""
        state = self.dns.state
        if (before.dns, before.closed) != (state.dns, state.closed):
            logger.info("DNS: %s", state.dns)
            self._wake_all()
        if before.warning != state.warning:
            self._report(reporting.dns_event(state))

    def _on_rollout(self, progress: Progress) -> None:
        self._report(reporting.rollout_event(progress))

    def _report(self, event: Event) -> None:
        task = asyncio.create_task(self._report_event(event))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

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
            except Exception:
                logger.exception("cannot reload the certificate authority, the previous one stays in use")
            self._wake_all()

    def _inputs(self) -> Inputs:
        """Return the current inputs of observations."""
        return Inputs(
            replace(self.settings.platform, dns=self.dns.state.dns),
            self.authority,
            self.grants,
            self.sentinel.findings,
            all(watch.served for watch in self.watches),
            self.replication.progress,
            self.dns.state.closed,
            self.refusals,
        )
