"""Other clusters, as far as services move there or come from there: one namespace of each, followed by watches.

A service names a Secret with a kubeconfig; what the operator sees through it goes into the same cache, under a
namespace like `shop@west`, so that the other side of a move is looked at as if it were in another namespace here. It
only reads. Until the other side is known, nothing is decided about a service that has one: half a picture would cut off
callers, or begin a second database.
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
AGAIN_SECONDS = 10.0
"""A kubeconfig is read again this often, for somebody may have replaced it."""


class RemoteCluster:
    """One namespace of another cluster. known: whether all of it is in the cache. trouble: why not, or why nothing more
    is heard of it, for people; empty at first. missing: whether there is no Secret."""

    def __init__(self, api: Api, cache: Cache, place: str) -> None:
        self._api = api
        self._cache = cache
        self.place = place
        self.namespace, self.cluster = remote.local_name(place), remote.cluster(place)
        self.known = False
        self.missing = False
        self.trouble = ""
        self._text = ""
        self._following: list[asyncio.Task[None]] = []
        self._there: Api | None = None

    async def run(self) -> None:
        """Follow until cancelled."""
        try:
            while True:
                before = self.known, self.missing, self.trouble
                await self._look()
                if before != (self.known, self.missing, self.trouble):
                    if self.trouble:
                        logger.warning("%s: %s", self.place, self.trouble)
                    self._cache.wake_around(self.place)
                await asyncio.sleep(AGAIN_SECONDS)
        finally:
            await self._leave()

    async def _look(self) -> None:
        try:
            secret = await self._api.get(kinds.SECRET, self.namespace, self.cluster)
            self.missing = secret is None
            text = kubeconfig.of(self.cluster, secret)
            if text != self._text or not self.known:
                await self._leave()
                await self._enter(text)
            elif self._there:
                await _first(self._there, kinds.MICROSERVICE, self.namespace)
            self.trouble = ""
        except UnusableKubeconfigError as error:
            await self._leave()
            self.trouble = str(error)
        except ClusterError as error:
            self.trouble = error.message  # what was seen of it stays as it was
        except Exception as error:  # a fault of ours must not leave it unseen for ever, and nobody told
            logger.exception("%s", self.place)
            self.trouble = f"the operator could not look at it ({type(error).__name__}); its log says more"

    async def _enter(self, text: str) -> None:
        """Raises UnusableKubeconfigError, ClusterError."""
        self._there = await kubeconfig.connect(text)
        for kind in (kinds.MICROSERVICE, *kinds.MOVING):  # so that what is wrong can be told
            await _first(self._there, kind, self.namespace)
        watches = [*self._watches(self._there)]
        self._following = [asyncio.create_task(watch.run()) for watch in watches]
        await asyncio.gather(*(watch.synced.wait() for watch in watches))
        self._text, self.known = text, True

    async def _leave(self) -> None:
        for task in self._following:
            task.cancel()
        await asyncio.gather(*self._following, return_exceptions=True)
        self._following = []
        if self._there:
            await self._there.close()
        self._there, self.known, self._text = None, False, ""
        self._cache.forget_place(self.place)

    def _watches(self, there: Api) -> Iterable[Watch]:
        yield Watch(there, kinds.MICROSERVICE, self._put_service, self._drop_service, self.namespace)
        for kind in kinds.MOVING:
            yield Watch(there, kind, self._put, self._drop, self.namespace, kinds.OURS)

    def _put_service(self, live: Object) -> None:
        self._cache.put_service(self._here(live), *declared_remotely(live, self.cluster))

    def _drop_service(self, live: Object) -> None:
        self._cache.drop_service(Key(self.place, live["metadata"]["name"]))

    def _put(self, live: Object) -> None:
        self._cache.put_owned(self._here(live))

    def _drop(self, live: Object) -> None:
        self._cache.drop_owned(self._here(live))

    def _here(self, live: Object) -> Object:
        return {**live, "metadata": {**live["metadata"], "namespace": self.place}}


async def _first(there: Api, kind: Kind, namespace: str) -> None:
    """Ask for the first objects of a kind. Raises ClusterError."""
    async for _ in there.pages(kind, namespace, "" if kind is kinds.MICROSERVICE else kinds.OURS):
        return


class RemoteClusters:
    """All that are followed."""

    def __init__(self, api: Api, cache: Cache) -> None:
        self._api = api
        self._cache = cache
        self._followed: dict[str, tuple[RemoteCluster, asyncio.Task[None]]] = {}

    def follow(self) -> None:
        """Follow what the services name, and nothing else, from now on; needs a running loop."""
        wanted = {place for moves in self._cache.moves_here() for place in moves if remote.is_remote(place)}
        for place in wanted - set(self._followed):
            neighbour = RemoteCluster(self._api, self._cache, place)
            self._followed[place] = neighbour, asyncio.create_task(neighbour.run())
        for place in set(self._followed) - wanted:
            self._followed.pop(place)[1].cancel()

    def unknown(self, service: Service) -> str | None:
        """What is not known of the other side of a service's move, for people, or empty while that is found out; None
        where all is known. Where the Secret is gone and the resource names it no more, there is no other side."""
        placement = service.spec.placement
        named = remote.destination(placement, service.namespace), remote.origin(placement, service.namespace)
        for place in self._cache.moves.get(service.key, ()):
            if not remote.is_remote(place):
                continue
            neighbour, _ = self._followed.get(place, (None, None))
            if neighbour is None:
                return ""
            if neighbour.known or (neighbour.missing and place not in named):
                continue
            return neighbour.trouble and f"{remote.describe(place)} is not known: {neighbour.trouble}"
        return None

    def unheard(self, service: Service) -> str:
        """Of the other side of a service's move: why nothing more is heard of it; empty where all is well."""
        places = self._cache.moves.get(service.key, ())
        found = (self._followed[place][0] for place in places if place in self._followed)
        return next((f"{remote.describe(one.place)}: {one.trouble}" for one in found if one.known and one.trouble), "")

    async def stop(self) -> None:
        tasks = [task for _, task in self._followed.values()]
        self._followed = {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
