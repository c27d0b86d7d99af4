"""Other services, as a service's observation contains them."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import TypeAdapter, ValidationError

from freehold.api.v1alpha1.database import Database
from freehold.api.v1alpha1.grpc import Consumed, Grpc
from freehold.api.v1alpha1.placement import Placement
from freehold.core import engines
from freehold.core.contracts import published
from freehold.core.model import remote
from freehold.core.model.conditions import State, Type
from freehold.core.model.resources import Key, Object, Peer, Ref
from freehold.core.objects import deployments, meta
from freehold.core.peers import aliases
from freehold.kube.cache import Cache
from freehold.kube.stored import Stored

CONSUMES = TypeAdapter(list[Consumed])


def related(cache: Cache, names: Iterable[Key]) -> set[Key]:
    """Return the aliases and targets of services, and the counterparts without a declared move."""
    known = cache.aliases
    agreed = {alias for key in names for alias in (aliases.resolve(known, key), *aliases.predecessors(known, key))}
    declared = {Key(namespace, key.name) for key in names for namespace in cache.move_of(key) if namespace}
    return agreed | declared


def of(cache: Cache, names: Iterable[Key]) -> dict[Key, Peer]:
    """Return the existing services among the names, except services being deleted."""
    peers = {key: _peer(cache, key, cache.services[key]) for key in names if key in cache.services}
    return {key: peer for key, peer in peers.items() if peer}


def _peer(cache: Cache, key: Key, stored: Stored) -> Peer | None:
    """Return another service from its resource, or None for a resource that is being deleted."""
    live = stored.unpack()
    if "deletionTimestamp" in live["metadata"]:
        return None
    spec, status = live.get("spec", {}), live.get("status", {})
    placement, annotations = spec.get("placement", {}), live["metadata"].get("annotations", {})
    return Peer(
        key,
        _grpc(live),
        cache.consumes.get(key, frozenset()),
        ready=key in cache.ready,
        contract=_contract(cache, key, live),
        calls=_calls(live),
        replaces=_as_seen_here(key, status.get("replaces", "")),
        destination=_as_seen_here(key, _destination(key, spec)),
        database=_database(spec),
        move=annotations.get(meta.MOVE, ""),
        stopped=_blocked_message(status),
        max_backup_age=placement.get("maxBackupAge", ""),
        last_backup_at=annotations.get(meta.LAST_BACKUP_AT, ""),
    )


def _database(spec: Object) -> str:
    """Return the engine and version of a database; empty without a readable database."""
    try:
        return engines.describe(Database.model_validate(spec["database"])) if spec.get("database") else ""
    except ValidationError:
        return ""


def _as_seen_here(key: Key, namespace: str) -> str:
    """Return a namespace that a service declares, as named in this cluster."""
    cluster = remote.cluster(key.namespace)
    return remote.as_seen_here(namespace, cluster) if cluster else namespace


def _destination(key: Key, spec: Object) -> str:
    """Return the declared destination of a service, as named in the service's own cluster."""
    try:
        placement = Placement.model_validate(spec.get("placement", {}))
    except ValidationError:
        placement = Placement()
    return remote.destination(placement, remote.local_name(key.namespace))


def _blocked_message(status: Object) -> str:
    """Return the message of condition Relocated if it is False, else an empty string."""
    blocked = (c for c in status.get("conditions", []) if (c["type"], c["status"]) == (Type.RELOCATED, State.FALSE))
    return next((str(c["message"]) for c in blocked), "")


def _contract(cache: Cache, name: Key, live: Object) -> bytes:
    """Return the published contract of the serving image; for a service that moved, of the image at the destination."""
    key = aliases.resolve(cache.aliases, name) if live.get("status", {}).get("endpointTarget") else name
    owned, serving = cache.owned.get(key, {}), cache.services.get(key)
    deployment = owned.get(Ref("Deployment", key.name))
    if deployment is None or serving is None:
        return b""
    annotations = serving.unpack()["metadata"].get("annotations", {})
    config_map = published.name(key.name, deployments.image_of(deployment.unpack()), annotations)
    stored = owned.get(Ref("ConfigMap", config_map))
    return published.content(stored.unpack()) or b"" if stored else b""


def _calls(live: Object) -> dict[Key, tuple[str, ...]]:
    """Return the declared methods by provider; empty for an unreadable resource."""
    try:
        consumes = CONSUMES.validate_python(live.get("spec", {}).get("consumes", []))
    except ValidationError:
        return {}
    return {Key(c.namespace or live["metadata"]["namespace"], c.name): tuple(c.methods) for c in consumes}


def _grpc(live: Object) -> Grpc | None:
    declared = live.get("spec", {}).get("grpc")
    try:
        return Grpc.model_validate(declared) if declared is not None else None
    except ValidationError:
        return None
