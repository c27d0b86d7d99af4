"""Other services, as a service's observation contains them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, StringConstraints, TypeAdapter, ValidationError

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

CONSUMES = TypeAdapter(list[Consumed])
LONGEST_MESSAGE = 1000
"""The most characters of another service's message that are repeated."""


def related(cache: Cache, names: Iterable[Key]) -> set[Key]:
    """Return the aliases and targets of services, and the counterparts without a declared move."""
    known = cache.aliases
    agreed = {alias for key in names for alias in (aliases.resolve(known, key), *aliases.predecessors(known, key))}
    declared = {Key(namespace, key.name) for key in names for namespace in cache.move_of(key) if namespace}
    return agreed | declared


def of(cache: Cache, names: Iterable[Key]) -> dict[Key, Peer]:
    """Return the existing services among the names, except services being deleted."""
    return {
        key: replace(
            cache.peers[key],
            consumes=cache.consumes.get(key, frozenset()),
            ready=key in cache.ready,
            contract=_contract(cache, key),
        )
        for key in names
        if key in cache.peers
    }


def record(live: Object) -> Peer | None:
    """Return the part of a Microservice that other services may know; None for a resource that is being deleted.

    The resource may be of another cluster, whose server answers with any JSON. Raises ValidationError for a resource
    whose fields have other types than the API's.
    """
    metadata = live["metadata"]
    if "deletionTimestamp" in metadata:
        return None
    resource = _Resource.model_validate(live)
    key, spec, annotations = (
        Key(metadata["namespace"], metadata["name"]),
        resource.spec,
        metadata.get("annotations", {}),
    )
    placement = _placement(spec.placement)
    return Peer(
        key,
        _grpc(spec.grpc),
        frozenset(),
        calls=_calls(key.namespace, spec.consumes),
        replaces=_as_seen_here(key, resource.status.replaces),
        destination=_as_seen_here(key, remote.destination(placement, remote.local_name(key.namespace))),
        database=_database(spec.database),
        move=annotations.get(meta.MOVE, ""),
        stopped=_blocked_message(resource.status),
        max_backup_age=placement.max_backup_age or "",
        last_backup_at=annotations.get(meta.LAST_BACKUP_AT, ""),
        redirects=bool(resource.status.endpointTarget),
        uid=metadata["uid"],
    )


class _Condition(BaseModel):
    type: str
    status: str
    message: str = ""


class _Status(BaseModel):
    replaces: Annotated[str, StringConstraints(max_length=253)] = ""
    endpointTarget: Annotated[str, StringConstraints(max_length=253)] = ""
    conditions: list[_Condition] = []


class _Spec(BaseModel):
    """The parts of a spec; each is read on its own, so that an unreadable one does not hide the others."""

    grpc: Any = None
    database: Any = None
    consumes: Any = []
    placement: Any = {}


class _Resource(BaseModel):
    spec: _Spec = _Spec()
    status: _Status = _Status()


def _database(declared: Any) -> str:
    """Return the engine and version of a database; empty without a readable database."""
    try:
        return engines.describe(Database.model_validate(declared)) if declared else ""
    except ValidationError:
        return ""


def _as_seen_here(key: Key, namespace: str) -> str:
    """Return a namespace that a service declares, as named in this cluster."""
    cluster = remote.cluster(key.namespace)
    return remote.as_seen_here(namespace, cluster) if cluster else namespace


def _placement(declared: Any) -> Placement:
    """Return the placement of a service; the default for an unreadable one."""
    try:
        return Placement.model_validate(declared)
    except ValidationError:
        return Placement()


def _blocked_message(status: _Status) -> str:
    """Return the message of condition Relocated if it is False, else an empty string."""
    blocked = (c for c in status.conditions if (c.type, c.status) == (Type.RELOCATED, State.FALSE))
    return next((c.message[:LONGEST_MESSAGE] for c in blocked), "")


def _contract(cache: Cache, name: Key) -> bytes:
    """Return the published contract of the serving image; for a service that moved, of the image at the destination.

    Images of another cluster are not known: for a service that moved there, the contract that was published here last.
    Empty for objects that cannot be read: whoever may write in the namespace, or in the other cluster, wrote them.
    """
    target = aliases.resolve(cache.aliases, name) if cache.peers[name].redirects else name
    is_away = remote.is_remote(target.namespace)
    key = name if is_away else target
    owned, serving = cache.owned.get(key, {}), cache.services.get(key)
    deployment = owned.get(Ref("Deployment", key.name))
    if serving is None or not (deployment or is_away):
        return b""
    live = serving.unpack()
    try:
        config_map = (
            live["status"]["contract"]["configMap"]
            if deployment is None
            else published.name(
                key.name, deployments.image_of(deployment.unpack()), live["metadata"].get("annotations", {})
            )
        )
        stored = owned.get(Ref("ConfigMap", config_map))
        return published.content(stored.unpack()) or b"" if stored else b""
    except (KeyError, IndexError, TypeError, AttributeError, ValueError):
        return b""


def _calls(namespace: str, declared: Any) -> dict[Key, tuple[str, ...]]:
    """Return the declared methods by provider; empty for an unreadable resource."""
    try:
        consumes = CONSUMES.validate_python(declared)
    except ValidationError:
        return {}
    return {Key(c.namespace or namespace, c.name): tuple(c.methods) for c in consumes}


def _grpc(declared: Any) -> Grpc | None:
    try:
        return Grpc.model_validate(declared) if declared is not None else None
    except ValidationError:
        return None
