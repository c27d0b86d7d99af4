"""Where Freehold may keep Secrets: a watch of them in each namespace that has services, and nowhere else.

The operator has no right to read Secrets across the cluster. Whoever administers a namespace binds the role that lets
it keep them there; until then the watch is refused, the services say so, and it is tried again every ten seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from freehold.kube import kinds
from freehold.kube.cache import Cache
from freehold.kube.client import Api
from freehold.kube.watch import Watch


class Grants:
    """Namespaces in which Secrets may be kept. `in` asks whether one is; `known` whether that is known yet."""

    def __init__(self, api: Api, cache: Cache) -> None:
        self._api = api
        self._cache = cache
        self._following: dict[str, tuple[Watch, asyncio.Task[None]]] = {}

    def __contains__(self, namespace: object) -> bool:
        following = self._following.get(str(namespace))
        return bool(following and following[0].synced.is_set() and not following[0].refused)

    def known(self, namespace: str) -> bool:
        """Whether the server has said yes, with all that is there, or no."""
        following = self._following.get(namespace)
        return bool(following and (following[0].synced.is_set() or following[0].refused))

    def follow(self, namespaces: Iterable[str]) -> None:
        """Watch in exactly these namespaces from now on; needs a running loop."""
        wanted = set(namespaces)
        for namespace in wanted - set(self._following):
            self._following[namespace] = self._watch(namespace)
        for namespace in set(self._following) - wanted:
            self._following.pop(namespace)[1].cancel()
            self._cache.forget("Secret", namespace)

    def watches(self) -> Iterable[Watch]:
        return (watch for watch, _ in self._following.values())

    def stop(self) -> None:
        self.follow(())

    def _watch(self, namespace: str) -> tuple[Watch, asyncio.Task[None]]:
        put, drop = self._cache.put_owned, self._cache.drop_owned
        watch = Watch(self._api, kinds.SECRET, put, drop, namespace, kinds.OURS, lambda: self._wake(namespace))
        return watch, asyncio.create_task(watch.run())

    def _wake(self, namespace: str) -> None:
        self._cache.wake(*(key for key in self._cache.services if key.namespace == namespace))
