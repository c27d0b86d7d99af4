"""Grants for Secrets: a watch of Secrets in each namespace with services.

The operator has no right to read Secrets across the cluster. The administrator of a namespace grants access by a
RoleBinding. Without a grant the watch is refused and retried every ten seconds, and services report SecretsNotGranted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from freehold.controller.supervision import supervise
from freehold.kube import kinds
from freehold.kube.cache import Cache
from freehold.kube.client import Api
from freehold.kube.watch import Watch


class Grants:
    """The namespaces with a grant; operator `in` tests a namespace."""

    def __init__(self, api: Api, cache: Cache) -> None:
        self._api = api
        self._cache = cache
        self._watches: dict[str, tuple[Watch, asyncio.Task[None]]] = {}

    def __contains__(self, namespace: object) -> bool:
        watch, _ = self._watches.get(str(namespace), (None, None))
        return bool(watch and watch.synced.is_set() and not watch.refused)

    def known(self, namespace: str) -> bool:
        """Return whether the server has answered for a namespace: with all Secrets, or with a refusal."""
        watch, _ = self._watches.get(namespace, (None, None))
        return bool(watch and (watch.synced.is_set() or watch.refused))

    def follow(self, namespaces: Iterable[str]) -> None:
        """Watch exactly the given namespaces; needs a running event loop."""
        wanted = set(namespaces)
        for namespace in wanted - set(self._watches):
            self._watches[namespace] = self._watch(namespace)
        for namespace in set(self._watches) - wanted:
            self._watches.pop(namespace)[1].cancel()
            self._cache.forget_objects("Secret", namespace)

    def watches(self) -> Iterable[Watch]:
        return (watch for watch, _ in self._watches.values())

    def stop(self) -> None:
        self.follow(())

    def _watch(self, namespace: str) -> tuple[Watch, asyncio.Task[None]]:
        put, drop = self._cache.put_owned, self._cache.drop_owned
        watch = Watch(self._api, kinds.SECRET, put, drop, namespace, kinds.SELECTOR, lambda: self._wake(namespace))
        return watch, asyncio.create_task(supervise("watch of secrets", watch.run))

    def _wake(self, namespace: str) -> None:
        self._cache.wake(*(key for key in self._cache.services if key.namespace == namespace))
