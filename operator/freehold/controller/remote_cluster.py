"""A namespace of a remote cluster: the connection, the watches, and what is known."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from freehold.core.model import remote
from freehold.core.model.resources import Key, Object, Ref
from freehold.core.objects import names
from freehold.kube import kinds, kubeconfig
from freehold.kube.cache import Cache
from freehold.kube.client import Api
from freehold.kube.cluster_registry import Cluster, NotRegisteredError, Registry
from freehold.kube.errors import ClusterError
from freehold.kube.kubeconfig import UnusableKubeconfigError
from freehold.kube.observation import declared_remotely
from freehold.kube.remote_api import RemoteApi, selector
from freehold.kube.remote_filter import RecordFilter, without_addresses
from freehold.kube.remote_resolver import GuardedResolver
from freehold.kube.watch import Watch

logger = logging.getLogger(__name__)
CHECK_SECONDS = 10.0
"""The interval of checks of the connection, the registry and the kubeconfig, which may be replaced."""
CONNECT_SECONDS = 120.0
HAS_ADDRESSES = frozenset({"Pod", "ConfigMap"})
Link = tuple[Cluster, tuple[object, ...], str]
"""A registered cluster, the address blocks of this cluster, and a token."""


class RemoteCluster:
    """A namespace of a remote cluster.

    remote_namespace: such as `shop@west`. services: the names of the services that move. known: whether all objects are
    in the cache. incomplete: why the Secrets of a service are not known, by service; empty until they are read.
    error: the cause why the cluster is not known or silent; empty at first. missing: whether the Secret does not exist.
    expired: whether addresses were removed, since the cluster is silent for too long. due: set for a check at once.
    """

    def __init__(self, api: Api, cache: Cache, registry: Callable[[], Registry], remote_namespace: str) -> None:
        self._local_api = api
        self._cache = cache
        self._registry = registry
        self.remote_namespace = remote_namespace
        self.namespace, self.cluster = remote.local_name(remote_namespace), remote.cluster(remote_namespace)
        self.services: frozenset[str] = frozenset()
        self.known = self.missing = self.expired = False
        self.error = ""
        self.incomplete: dict[str, str] = {}
        self._complete: frozenset[str] = frozenset()
        self.due = asyncio.Event()
        self._link: Link | None = None
        self._read: tuple[tuple[str, Cluster] | None, str | UnusableKubeconfigError] = None, ""
        self._tasks: list[asyncio.Task[None]] = []
        self._watches: list[Watch] = []
        self._remote_api: RemoteApi | None = None
        self._filter: RecordFilter | None = None
        self._checked = time.monotonic()

    def follow(self, services: frozenset[str]) -> None:
        """Read the Secrets of the given services as well, at once."""
        if services - self.services:
            self.due.set()
        self.services = services

    def unknown(self, service: str) -> str | None:
        """Return None if the objects of a service are known, else the cause; empty until the first answer."""
        if not self.known:
            return self.error
        return None if service in self._complete else self.incomplete.get(service, "")

    def note(self) -> str:
        """Return what the reader of a service's status should know about the view of the cluster; empty for nothing."""
        if not self.known:
            return ""
        view = f"without a view of {remote.describe(self.remote_namespace)}: {self.error}" if self.error else ""
        if self.expired:
            return f"the addresses of pods have expired, {view}"
        refused = self._filter.trouble() if self._filter else ""
        return "; ".join(filter(None, (view and f"as last seen, {view}", refused)))

    async def run(self) -> None:
        """Connect and watch until cancelled."""
        try:
            while True:
                self.due.clear()
                await self.refresh()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.due.wait(), CHECK_SECONDS)
        finally:
            await self._disconnect()

    async def refresh(self) -> None:
        """Check the connection, let addresses expire, and wake the services that move if anything has changed."""
        before = self._state()
        await self._check()
        if self.known and not self.expired and self._is_stale():
            self._expire()
        if before != self._state():
            if self.error:
                logger.warning("%s: %s", self.remote_namespace, self.error)
            self._cache.wake_moving(self.remote_namespace)

    def _state(self) -> tuple[object, ...]:
        return self.known, self.missing, self.error, dict(self.incomplete), self._complete, self.note()

    async def _check(self) -> None:
        """Read registry and kubeconfig; connect if either is new, else test the connection. Records the error."""
        try:
            secret = await self._local_api.get(kinds.SECRET, self.namespace, self.cluster)
            self.missing = secret is None
            registry = self._registry()
            registered = registry.cluster(self.cluster)
            link = registered, registry.local_cidrs, self._token(secret, registered)
            if link != self._link or not self.known:
                await self._disconnect()
                async with asyncio.timeout(CONNECT_SECONDS):
                    await self._connect(link, registry)
            elif self._remote_api:
                await self._test(self._remote_api)
            self._checked = time.monotonic()
        except (UnusableKubeconfigError, NotRegisteredError) as error:
            await self._disconnect()
            self.error = str(error)
        except ClusterError as error:
            self.error = error.message  # the objects in the cache stay
        except TimeoutError:
            self.error = "the API server answers too slowly"
        except Exception as error:  # an unexpected exception is reported, and does not end the checks
            logger.exception("%s", self.remote_namespace)
            self.error = f"the operator failed to read the cluster ({type(error).__name__}); see the operator's log"

    def _token(self, secret: Object | None, registered: Cluster) -> str:
        """Return the token of a Secret, which is read once for each version. Raises UnusableKubeconfigError."""
        metadata = secret["metadata"] if secret else {}
        version = f"{metadata.get('uid')}/{metadata.get('resourceVersion')}", registered
        if self._read[0] != version:
            try:
                self._read = version, kubeconfig.token(self.cluster, secret, registered)
            except UnusableKubeconfigError as error:
                self._read = version, error
        if isinstance(self._read[1], UnusableKubeconfigError):
            raise self._read[1]
        return self._read[1]

    async def _test(self, api: RemoteApi) -> None:
        """Test the connection, and read the Secrets again. Raises ClusterError."""
        await api.test(kinds.MICROSERVICE, self.namespace)
        await self._read_secrets(api)
        self.error = next(iter(api.errors.values()), "")
        if self.expired:
            self.known = False
            self.due.set()  # the next check lists everything again

    async def _connect(self, link: Link, registry: Registry) -> None:
        """Start the watches and wait for the first lists. Raises ClusterError."""
        registered, _, token = link
        self._filter = RecordFilter(self.namespace, registered, registry.is_local)
        resolver = GuardedResolver(self._local_api.server, registry.is_local)
        self._remote_api = api = RemoteApi(registered, token, self._filter, resolver)
        for kind in (kinds.MICROSERVICE, *kinds.MOVING):  # a watch would retry an error without reporting the cause
            await api.test(kind, self.namespace)
        self._watches = [*self._new_watches(api)]
        self._tasks = [asyncio.create_task(watch.run()) for watch in self._watches]
        await asyncio.gather(*(watch.synced.wait() for watch in self._watches))
        await self._read_secrets(api)
        self._link, self.known, self.error = link, True, ""

    async def _disconnect(self) -> None:
        """End the watches, and remove the objects from the cache."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks, self._watches = [], []
        if self._remote_api:
            await self._remote_api.close()
        self._remote_api, self._filter, self._link, self.known, self.expired = None, None, None, False, False
        self._complete, self.incomplete = frozenset(), {}
        self._cache.forget_namespace(self.remote_namespace)

    async def _read_secrets(self, api: RemoteApi) -> None:
        """Read the Secrets of each moving service by name: the token may list none. Raises TransientError."""
        complete = set()
        for service in sorted(self.services):
            try:
                for name in names.read_by_counterpart(service):
                    self._store_secret(service, name, await api.get(kinds.SECRET, self.namespace, name))
                complete.add(service)
                self.incomplete.pop(service, None)
            except ClusterError as error:
                if error.status not in (401, 403):
                    raise
                self.incomplete[service] = error.message
        self._complete = frozenset(complete)

    def _store_secret(self, service: str, name: str, live: Object | None) -> None:
        stored = self._cache.owned.get(Key(self.remote_namespace, service), {}).get(Ref("Secret", name))
        if live:
            self._put(live)
        elif stored:
            self._cache.drop_owned(stored.unpack())

    def _is_stale(self) -> bool:
        """Return whether the cluster, or the watch of a kind, has been silent for too long."""
        last = min([self._checked, *(watch.last_answer for watch in self._watches)])
        return bool(self._link and time.monotonic() - last > self._link[0].expiry_seconds)

    def _expire(self) -> None:
        """Remove the addresses of pods, which may be another tenant's by now; everything else stays as last seen.

        Who owns the data, and how far a move is, follows from claims and StatefulSets, which do not expire.
        """
        self.expired = True
        owned = [refs for key, refs in self._cache.owned.items() if key.namespace == self.remote_namespace]
        for live in [refs[ref].unpack() for refs in owned for ref in refs if ref.kind in HAS_ADDRESSES]:
            self._cache.drop_owned(live)
            self._cache.put_owned(without_addresses(live))

    def _new_watches(self, api: RemoteApi) -> Iterable[Watch]:
        yield Watch(api, kinds.MICROSERVICE, self._put_service, self._drop_service, self.namespace)
        for kind in kinds.MOVING:
            yield Watch(api, kind, self._put, self._drop, self.namespace, selector(kind))

    def _put_service(self, live: Object) -> None:
        self._cache.put_service(self._renamed(live), *declared_remotely(live, self.cluster))

    def _drop_service(self, live: Object) -> None:
        self._forget(live)
        self._cache.drop_service(Key(self.remote_namespace, live["metadata"]["name"]))

    def _put(self, live: Object) -> None:
        self._cache.put_owned(self._renamed(live))

    def _drop(self, live: Object) -> None:
        self._forget(live)
        self._cache.drop_owned(self._renamed(live))

    def _forget(self, live: Object) -> None:
        if self._filter:
            self._filter.forget(live["kind"], live["metadata"]["name"])

    def _renamed(self, live: Object) -> Object:
        return {**live, "metadata": {**live["metadata"], "namespace": self.remote_namespace}}
