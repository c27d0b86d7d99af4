"""Remote clusters: for each move between clusters, watches of a namespace of the other cluster.

A service names a Secret with a kubeconfig. The objects of the remote namespace are stored in the same cache, under a
namespace such as `shop@west`, so that a counterpart in another cluster is treated like one in another namespace. The
operator only reads. Until the counterpart is fully known, a service is not reconciled: an incomplete view could cut off
callers, or start a second database.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from freehold.core.model import remote
from freehold.core.model.resources import Key, Object, Service
from freehold.kube import kinds, kubeconfig
from freehold.kube.cache import Cache
from freehold.kube.client import Api
from freehold.kube.errors import ClusterError
from freehold.kube.kinds import Kind
from freehold.kube.kubeconfig import UnusableKubeconfigError
from freehold.kube.observation import declared_remotely
from freehold.kube.watch import Watch

logger = logging.getLogger(__name__)
CHECK_SECONDS = 10.0
"""The interval of checks of the connection and the kubeconfig, which may be replaced."""


class RemoteCluster:
    """A namespace of a remote cluster.

    remote_namespace: such as `shop@west`. known: whether all objects are in the cache. error: the cause why the cluster
    is not known or silent; empty at first. missing: whether the Secret does not exist.
    """

    def __init__(self, api: Api, cache: Cache, remote_namespace: str) -> None:
        self._local_api = api
        self._cache = cache
        self.remote_namespace = remote_namespace
        self.namespace, self.cluster = remote.local_name(remote_namespace), remote.cluster(remote_namespace)
        self.known = False
        self.missing = False
        self.error = ""
        self._kubeconfig = ""
        self._tasks: list[asyncio.Task[None]] = []
        self._remote_api: Api | None = None

    async def run(self) -> None:
        """Connect and watch until cancelled."""
        try:
            while True:
                before = self.known, self.missing, self.error
                await self._check()
                if before != (self.known, self.missing, self.error):
                    if self.error:
                        logger.warning("%s: %s", self.remote_namespace, self.error)
                    self._cache.wake_moving(self.remote_namespace)
                await asyncio.sleep(CHECK_SECONDS)
        finally:
            await self._disconnect()

    async def _check(self) -> None:
        """Read the kubeconfig; connect if it is new, else test the connection. Records the error."""
        try:
            secret = await self._local_api.get(kinds.SECRET, self.namespace, self.cluster)
            self.missing = secret is None
            text = kubeconfig.of(self.cluster, secret)
            if text != self._kubeconfig or not self.known:
                await self._disconnect()
                await self._connect(text)
            elif self._remote_api:
                await _first_page(self._remote_api, kinds.MICROSERVICE, self.namespace)
            self.error = ""
        except UnusableKubeconfigError as error:
            await self._disconnect()
            self.error = str(error)
        except ClusterError as error:
            self.error = error.message  # the objects in the cache stay
        except Exception as error:  # an unexpected exception is reported, and does not end the checks
            logger.exception("%s", self.remote_namespace)
            self.error = f"the operator failed to read the cluster ({type(error).__name__}); see the operator's log"

    async def _connect(self, text: str) -> None:
        """Start the watches and wait for the first lists. Raises UnusableKubeconfigError, ClusterError."""
        self._remote_api = api = await kubeconfig.connect(text)
        for kind in (kinds.MICROSERVICE, *kinds.MOVING):  # a watch would retry an error without reporting the cause
            await _first_page(api, kind, self.namespace)
        watches = [*self._watches(api)]
        self._tasks = [asyncio.create_task(watch.run()) for watch in watches]
        await asyncio.gather(*(watch.synced.wait() for watch in watches))
        self._kubeconfig, self.known = text, True

    async def _disconnect(self) -> None:
        """End the watches, and remove the objects from the cache."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._remote_api:
            await self._remote_api.close()
        self._remote_api, self.known, self._kubeconfig = None, False, ""
        self._cache.forget_namespace(self.remote_namespace)

    def _watches(self, api: Api) -> Iterable[Watch]:
        yield Watch(api, kinds.MICROSERVICE, self._put_service, self._drop_service, self.namespace)
        for kind in kinds.MOVING:
            yield Watch(api, kind, self._put, self._drop, self.namespace, kinds.SELECTOR)

    def _put_service(self, live: Object) -> None:
        self._cache.put_service(self._renamed(live), *declared_remotely(live, self.cluster))

    def _drop_service(self, live: Object) -> None:
        self._cache.drop_service(Key(self.remote_namespace, live["metadata"]["name"]))

    def _put(self, live: Object) -> None:
        self._cache.put_owned(self._renamed(live))

    def _drop(self, live: Object) -> None:
        self._cache.drop_owned(self._renamed(live))

    def _renamed(self, live: Object) -> Object:
        return {**live, "metadata": {**live["metadata"], "namespace": self.remote_namespace}}


async def _first_page(api: Api, kind: Kind, namespace: str) -> None:
    """Read the first page of a kind. Raises ClusterError."""
    async for _ in api.pages(kind, namespace, "" if kind is kinds.MICROSERVICE else kinds.SELECTOR):
        return


class RemoteClusters:
    """The remote namespaces that services name."""

    def __init__(self, api: Api, cache: Cache) -> None:
        self._api = api
        self._cache = cache
        self._followed: dict[str, tuple[RemoteCluster, asyncio.Task[None]]] = {}

    def follow(self) -> None:
        """Watch exactly the remote namespaces that services name; needs a running event loop."""
        wanted = {name for moves in self._cache.local_moves() for name in moves if remote.is_remote(name)}
        for name in wanted - set(self._followed):
            cluster = RemoteCluster(self._api, self._cache, name)
            self._followed[name] = cluster, asyncio.create_task(cluster.run())
        for name in set(self._followed) - wanted:
            self._followed.pop(name)[1].cancel()

    def unknown(self, service: Service) -> str | None:
        """Return None if the counterparts of a service are known, else the cause as a message.

        The message is empty while the first check runs. A cluster whose Secret is missing and that the resource does
        not name any more is no counterpart.
        """
        placement = service.spec.placement
        declared = remote.destination(placement, service.namespace), remote.origin(placement, service.namespace)
        for name in self._cache.move_of(service.key):
            if not remote.is_remote(name):
                continue
            cluster, _ = self._followed.get(name, (None, None))
            if cluster is None:
                return ""
            if cluster.known or (cluster.missing and name not in declared):
                continue
            return cluster.error and f"{remote.describe(name)} is not known: {cluster.error}"
        return None

    def silent(self, service: Service) -> str:
        """Return the error of a known cluster that has become silent, as a message; empty without an error."""
        names = self._cache.move_of(service.key)
        clusters = (self._followed[name][0] for name in names if name in self._followed)
        errors = (f"{remote.describe(c.remote_namespace)}: {c.error}" for c in clusters if c.known and c.error)
        return next(errors, "")

    async def stop(self) -> None:
        tasks = [task for _, task in self._followed.values()]
        self._followed = {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
