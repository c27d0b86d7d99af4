"""Remote clusters: for each move between clusters, watches of a namespace of the other cluster.

A service names a cluster of the registry (`kube/cluster_registry.py`), and a Secret of that name holds the token. The
objects of the remote namespace are stored in the same cache, under a namespace such as `shop@west`, so that a
counterpart in another cluster is treated like one in another namespace. The operator only reads. Until the counterpart
is fully known, a service is not reconciled: an incomplete view could cut off callers, or start a second database.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict

from freehold.controller.remote_cluster import RemoteCluster
from freehold.core.model import remote
from freehold.core.model.resources import Service
from freehold.kube import cluster_registry, kinds
from freehold.kube.cache import Cache
from freehold.kube.client import Api
from freehold.kube.cluster_registry import CONFIG_MAP, Registry
from freehold.kube.errors import ClusterError

logger = logging.getLogger(__name__)
READ_SECONDS = 10.0
"""The interval at which the registry is read."""
MOST_CLUSTERS = 4
"""The clusters that one namespace may name; each costs a connection and a watch for each kind."""


class RemoteClusters:
    """The remote namespaces that services name. home: the operator's namespace, which has the registry."""

    def __init__(self, api: Api, cache: Cache, home: str) -> None:
        self._api = api
        self._cache = cache
        self._home = home
        self._registry = Registry(fault="not read yet")
        self._followed: dict[str, tuple[RemoteCluster, asyncio.Task[None]]] = {}
        self._excess: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Read the registry again and again, until cancelled."""
        while True:
            await self.load()
            await asyncio.sleep(READ_SECONDS)

    async def load(self) -> None:
        """Read the registry. The last one stays while the registry cannot be read."""
        try:
            live = await self._api.get(kinds.BY_NAME["ConfigMap"], self._home, CONFIG_MAP)
        except ClusterError as error:
            logger.warning("cannot read ConfigMap %s: %s", CONFIG_MAP, error.message)
            return
        before, self._registry = self._registry, cluster_registry.parse(live)
        if before != self._registry:
            for name, fault in self._registry.faults.items():
                logger.warning("the registration of cluster %r cannot be used: %s", name[:63], fault)
            for cluster, _ in self._followed.values():
                cluster.due.set()

    def follow(self) -> None:
        """Watch exactly the remote namespaces that services name; needs a running event loop."""
        wanted = self._wanted()
        for name in wanted.keys() - self._followed.keys():
            cluster = RemoteCluster(self._api, self._cache, lambda: self._registry, name)
            self._followed[name] = cluster, asyncio.create_task(cluster.run())
        for name in self._followed.keys() - wanted.keys():
            self._followed.pop(name)[1].cancel()
        for name, services in wanted.items():
            self._followed[name][0].follow(frozenset(services))

    def _wanted(self) -> dict[str, set[str]]:
        """Return the remote namespaces to watch, each with the names of the services that move."""
        named: defaultdict[str, set[str]] = defaultdict(set)
        for key, moves in self._cache.moves.items():
            for name in moves if not remote.is_remote(key.namespace) else ():
                if remote.is_remote(name):
                    named[name].add(key.name)
        by_namespace: defaultdict[str, list[str]] = defaultdict(list)
        for name in sorted(named, key=lambda name: (name not in self._followed, name)):  # those watched stay
            by_namespace[remote.local_name(name)].append(name)
        kept = {name for names in by_namespace.values() for name in names[:MOST_CLUSTERS]}
        self._excess = frozenset(named.keys() - kept)
        return {name: named[name] for name in kept}

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
            if name in self._excess:
                return f"namespace {service.namespace} names more than {MOST_CLUSTERS} clusters; name fewer"
            cluster, _ = self._followed.get(name, (None, None))
            if cluster is None:
                return ""
            cause = cluster.unknown(service.name)
            if cause is None or (cluster.missing and name not in declared):
                continue
            return cause and f"{remote.describe(name)} is not known: {cause}"
        return None

    def note(self, service: Service) -> str:
        """Return what a reader of the status should know about the view of the counterpart; empty for nothing."""
        names = self._cache.move_of(service.key)
        notes = (self._followed[name][0].note() for name in names if name in self._followed)
        return next(filter(None, notes), "")

    async def stop(self) -> None:
        tasks = [task for _, task in self._followed.values()]
        self._followed = {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
