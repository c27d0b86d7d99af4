"""The operator: watches feed the cache, the cache wakes services, and each is observed, decided about and applied."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from freehold.controller import metrics
from freehold.controller.grants import Grants
from freehold.controller.queue import Queue
from freehold.controller.remote_clusters import RemoteClusters
from freehold.controller.settings import Settings
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Event, Reason, State, Type
from freehold.core.model.findings import Findings
from freehold.core.model.resources import Key, Object, Plan, Service
from freehold.core.reconcile import Report, reconcile, report, report_held, report_invalid
from freehold.core.relocation import standby
from freehold.core.verification.plan import ENFORCE
from freehold.kube import apply, certificate_authority, kinds, observation
from freehold.kube.cache import Cache
from freehold.kube.client import WATCH_SECONDS, Api
from freehold.kube.errors import ClusterError, NameTakenError, RefusedError, TransientError
from freehold.kube.observation import Inputs, InvalidResource
from freehold.kube.watch import Watch
from freehold.monitors.replication import ReplicationMonitor
from freehold.monitors.sentinel import Sentinel

logger = logging.getLogger(__name__)
WORKERS = 10
RESYNC_SECONDS = 600.0
"""Every service is looked at this often even when nothing happens, in case something was missed."""
REFUSED_AGAIN_SECONDS = 30.0
"""What the cluster refused may be allowed later: a quota raised, a name freed. No event tells."""
LOOKS = 4
"""At most, one after another, until one asks for no write; who undoes each of them wakes the service anyway."""
SILENT_SECONDS = 3 * WATCH_SECONDS


class Operator:
    """Everything that runs; started and stopped by the handlers."""

    def __init__(self, api: Api, settings: Settings) -> None:
        self.api = api
        self.settings = settings
        self.queue = Queue(self._work)
        self.cache = Cache(self.queue.wake)
        self.watches = list(self._watches())
        self.grants = Grants(api, self.cache)
        self.neighbours = RemoteClusters(api, self.cache)
        who = settings.platform.account.replace(":", "/")
        self.sentinel = Sentinel(self.cache, who, settings.canaries, self._sentinel_turned)
        self.doors = ReplicationMonitor(self.cache, lambda keys: self.cache.wake(*keys))
        self._told: tuple[str, ...] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def _watches(self) -> Iterable[Watch]:
        for namespace in self.settings.namespaces or (None,):
            yield Watch(self.api, kinds.MICROSERVICE, self._put_service, self._drop_service, namespace)
            for kind in (*(kind for kind in kinds.OWNED if kind is not kinds.SECRET), kinds.POD):
                turned = self._wake_all if kind.optional else Watch.turned
                labels = ",".join(filter(None, (kinds.OURS, kind.labels)))
                yield Watch(self.api, kind, self.cache.put_owned, self.cache.drop_owned, namespace, labels, turned)
        yield Watch(self.api, kinds.NAMESPACE, self.cache.put_namespace, self.cache.drop_namespace)
        yield Watch(self.api, kinds.STORAGE_CLASS, self.cache.put_storage_class, self.cache.drop_storage_class)

    async def start(self) -> None:
        """Watch; work once every first list is in, and not before: deciding on half a picture would cut off callers."""
        await self._load_authority()
        self._tasks = [asyncio.create_task(watch.run()) for watch in self.watches]
        await asyncio.gather(*(watch.synced.wait() for watch in self.watches))
        self._follow()
        self.cache.wake(*self.cache.owned)  # something may be left of services that went while no operator ran
        logger.info("watching %d services in %s", len(self.cache.here), self._where())
        self._tasks += [asyncio.create_task(self.queue.run()) for _ in range(WORKERS)]
        self._tasks += [asyncio.create_task(self._resync()), asyncio.create_task(self.doors.run())]
        if self.settings.pod:  # outside the cluster, what opens and what does not says nothing of its walls
            self._tasks.append(asyncio.create_task(self.sentinel.run()))

    async def stop(self) -> None:
        self.grants.stop()
        await self.neighbours.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.api.close()

    def standing(self) -> metrics.Totals:
        """How things stand at this moment."""
        cache, seen = self.cache, self.sentinel.seen
        here = cache.here
        verified = Counter(cache.verified[key] for key in here)
        return metrics.Totals(
            len(here),
            len(cache.ready.intersection(here)),
            verified,
            len(seen.breaches),
            seen.canaries,
            len(seen.unenforced),
        )

    def silent(self) -> list[str]:
        """The kinds of which nothing was heard for too long; none, when all is well."""
        now = time.monotonic()
        watches = (*self.watches, *self.grants.watches())
        return [watch.kind.plural for watch in watches if now - watch.heard > SILENT_SECONDS]

    def _where(self) -> str:
        return f"namespaces {', '.join(self.settings.namespaces)}" if self.settings.namespaces else "all namespaces"

    def _put_service(self, live: Object) -> None:
        self.cache.put_service(live, *observation.declared(live))
        self._follow()

    def _drop_service(self, live: Object) -> None:
        key = Key(live["metadata"]["namespace"], live["metadata"]["name"])
        self.cache.drop_service(key)
        self.queue.forget(key)
        self._follow()

    def _follow(self) -> None:
        """What is watched only where services need it: Secrets of their namespaces, and other clusters they name."""
        if all(watch.synced.is_set() for watch in self.watches):
            self.grants.follow({key.namespace for key in self.cache.here})
            self.neighbours.follow()

    def _wake_all(self) -> None:
        self.cache.wake(*self.cache.here)

    async def _load_authority(self) -> None:
        self.authority = await certificate_authority.load(self.api, self.settings.home, _now())

    def _sentinel_turned(self, keys: Iterable[Key]) -> None:
        self.cache.wake(*keys)
        seen = self.sentinel.seen
        if self._told != seen.unenforced and (seen.canaries or self._told):
            self._told = seen.unenforced
            self._tasks.append(asyncio.create_task(self._tell_of_policies(_policies(seen))))

    async def _tell_of_policies(self, event: Event) -> None:
        """To those who look at the operator itself, as before there is any service."""
        logger.log(logging.WARNING if event.type == "Warning" else logging.INFO, "%s", event.note)
        try:
            if self.settings.pod:
                await apply.write_event(self.api, self.settings.pod, event)
        except ClusterError as error:
            logger.warning("no Event could be written about the operator's pod: %s", error.message)

    async def _resync(self) -> None:
        while True:
            await asyncio.sleep(RESYNC_SECONDS)
            try:
                await self._load_authority()
            except (ClusterError, certificate_authority.UnusableAuthorityError) as error:
                logger.warning("the certificate authority stays as it was: %s", error)
            self._wake_all()

    async def _work(self, key: Key) -> float | None:
        """Bring one service to what it should be. Returns the seconds until it wants to be looked at again."""
        with metrics.DURATION.time():
            return await self._look_at(key)

    async def _look_at(self, key: Key) -> float | None:
        stored = self.cache.services.get(key)
        if stored is None:
            await apply.sweep(self.api, self.cache, key)
            return None
        if not self.grants.known(key.namespace):
            return None  # it is woken when its namespace's Secrets, or that they may not be read, are known
        live = stored.unpack()
        if "deletionTimestamp" in live["metadata"]:
            return None  # what it owned goes with it, by the cluster's garbage collector; the rest is kept
        try:
            service = observation.parse(live)
        except InvalidResource as error:
            return await self._report_invalid(key, live, error)
        unknown = self.neighbours.unknown(service)
        if unknown is not None:
            return await self._hold(service, live.get("status", {}), unknown)
        return await self._reconcile(service, live.get("status", {}))

    async def _hold(self, service: Service, before: Object, said: str) -> float | None:
        """Nothing is decided yet; it is woken once the other side is known. said: why it is not, if that takes long."""
        held = report_held(service.generation, before, _now(), said)
        return await self._say(service.key, service.uid, before, held) if said else None

    async def _reconcile(self, service: Service, before: Object) -> float | None:
        case, plans = self._judged(service, before)
        try:
            for _ in range(LOOKS):
                # What was settled before a write is under way after it, and meanwhile more may be due: Ready is said of
                # a look that asked for no write.
                if not await apply.apply(self.api, self.cache, case, plans):
                    break
                if self.neighbours.unknown(service) is not None:
                    return None  # the other side went out of sight meanwhile
                case, plans = self._judged(service, before)
        except TransientError:
            raise
        except ClusterError as error:
            said = report(case, plans, _refused(error))
            pause = await self._say(service.key, service.uid, before, said)
            return min(pause or REFUSED_AGAIN_SECONDS, REFUSED_AGAIN_SECONDS)
        pause = await self._say(service.key, service.uid, before, report(case, plans))
        moments = [seconds for seconds in (pause, *(plan.again for plan in plans)) if seconds is not None]
        return min(moments, default=None)

    def _judged(self, service: Service, before: Object) -> tuple[Case, tuple[Plan, ...]]:
        """What is known at this moment, and what every capability wants of it."""
        served = all(watch.served for watch in self.watches)
        means = Inputs(self.settings.platform, self.authority, self.grants, self.sentinel.seen, served, self.doors.told)
        observed = observation.observe(self.cache, service, means, before, _now())
        case = Case(service, replace(observed, silent_cluster=self.neighbours.unheard(service)))
        return case, reconcile(case)

    async def _report_invalid(self, key: Key, live: Object, error: InvalidResource) -> float | None:
        before, metadata = live.get("status", {}), live["metadata"]
        said = report_invalid(metadata["generation"], before, _now(), str(error))
        return await self._say(key, metadata["uid"], before, said)

    async def _say(self, key: Key, uid: str, before: Object, said: Report) -> float | None:
        """Write the status and its events, where they say something new and it is time to."""
        if said.status == before:
            return None
        if said.pause > 0:
            return said.pause
        try:
            self._put_service(await apply.write_status(self.api, key, uid, said.status))
            for event in said.events:
                await apply.write_event(self.api, apply.resource(key, uid), event)
        except RefusedError as error:
            logger.info("%s: its status cannot be written, as when it is being deleted: %s", key, error.message)
        return None


def _policies(seen: Findings) -> Event:
    if seen.unenforced:
        said = f"{'; '.join(seen.unenforced)}; {ENFORCE}"
        return Event("Warning", Reason.POLICIES_NOT_ENFORCED, said)
    said = f"network policies are enforced: what they shut stayed shut at {seen.canaries} of {seen.canaries} canaries"
    return Event("Normal", Reason.POLICIES_ENFORCED, said)


def _now() -> datetime:
    """To the second, which is what the API keeps of a time."""
    return datetime.now(UTC).replace(microsecond=0)


def _refused(error: ClusterError) -> Condition:
    """What the cluster said no to, as what the service is not ready for."""
    reason = Reason.NAME_TAKEN if isinstance(error, NameTakenError) else Reason.CLUSTER_REFUSED
    # The API server repeats the whole object it refuses; what is wrong with it comes after.
    said = re.sub(r"Invalid value: [{\[].*[}\]]: ", "", error.message, flags=re.DOTALL)
    if error.capability == standby.CAPABILITY:
        return Condition(Type.RELOCATED, State.FALSE, Reason.MOVE_BLOCKED, f"{said}; it stays where it is meanwhile")
    return Condition(Type.READY, State.FALSE, reason, said)
