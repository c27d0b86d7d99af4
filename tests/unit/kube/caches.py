"""A cache with three services, and objects for it."""

from __future__ import annotations

from freehold.core.model.resources import Key, Object
from freehold.kube.cache import Cache

USERS, PAYMENTS, OTHER = Key("shop", "users"), Key("shop", "payments"), Key("shop", "other")


def microservice(key: Key, version: int = 1, *, ready: bool = False, uid: str = "a") -> Object:
    metadata = {**key._asdict(), "uid": uid, "resourceVersion": str(version)}
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {"kind": "Microservice", "metadata": metadata, "status": {"conditions": conditions}}


def owned(key: Key, version: int = 1, uid: str = "b", **body: object) -> Object:
    labels = {"app.kubernetes.io/instance": key.name}
    metadata = {"name": key.name, "namespace": key.namespace, "uid": uid, "labels": labels}
    return {"kind": "Service", "metadata": {**metadata, "resourceVersion": str(version)}, **body}


def known(*consumes: Key) -> tuple[Cache, list[Key]]:
    """Return a cache in which payments consumes the given services; and the list of woken services."""
    woken: list[Key] = []
    cache = Cache(woken.append)
    cache.put_service(microservice(USERS), frozenset())
    cache.put_service(microservice(OTHER), frozenset())
    cache.put_service(microservice(PAYMENTS), frozenset(consumes))
    woken.clear()
    return cache, woken
