"""From the cache to what the core may look at: the only place where chance comes in."""

from __future__ import annotations

import secrets
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from freehold.api.v1alpha1.database import Database
from freehold.api.v1alpha1.grpc import Consumed, Grpc
from freehold.api.v1alpha1.microservice import KIND, Microservice
from freehold.api.v1alpha1.placement import Placement
from freehold.core import certificates, engines
from freehold.core.contracts import published
from freehold.core.latency import call_graph
from freehold.core.model import remote
from freehold.core.model.case import Case
from freehold.core.model.conditions import State, Type
from freehold.core.model.findings import Findings
from freehold.core.model.resources import EMPTY, CallNode, Key, Object, Observed, Peer, Platform, Ref, Service
from freehold.core.objects import deployments, meta, observer
from freehold.core.peers import aliases, counterpart
from freehold.core.peers.ports import ports_of
from freehold.kube import pod_addresses
from freehold.kube.cache import NOT_MOVING, Cache, Moves
from freehold.kube.certificate_authority import CertificateAuthority
from freehold.kube.kinds import HOLDS_DATA, POD
from freehold.kube.stored import Stored

COUNTS_UNTIL_GONE = HOLDS_DATA | {POD.name}
"""What counts until it is gone: data, and a pod, which needs the wall around it while it is ending."""
CONSUMES = TypeAdapter(list[Consumed])


class InvalidResource(Exception):
    """A resource that the schema let in and this version cannot read; the message says where."""


def parse(live: Object) -> Service:
    """The resource as the core takes it. Raises InvalidResource."""
    metadata = live["metadata"]
    try:
        spec = Microservice.model_validate({"spec": live.get("spec", {})}).spec
    except ValidationError as error:
        raise InvalidResource(_explain(error)) from error
    key = Key(metadata["namespace"], metadata["name"])
    labels, annotations = metadata.get("labels", {}), metadata.get("annotations", {})
    return Service(key, metadata["uid"], metadata["generation"], spec, labels, annotations)


class Declared(NamedTuple):
    """What others must know of a resource. addresses: of its doors. shadow: whether no wall stands around it. stand:
    whom it calls, and how long that may take. moves: between namespaces."""

    consumes: frozenset[Key] = frozenset()
    addresses: tuple[str, ...] = ()
    shadow: bool = False
    stand: CallNode = EMPTY
    moves: Moves = NOT_MOVING


def declared(live: Object) -> Declared:
    """What a resource says; nothing, where it cannot be read."""
    try:
        service = parse(live)
    except InvalidResource:
        return Declared()
    stand = call_graph.node(service)
    consumes = frozenset(call.provider for call in stand.calls)
    status, target = live.get("status", {}), aliases.destination(service)
    led = status.get("previousTarget", {}).get("namespace", "")
    tied = status.get("endpointTarget") or status.get("counterpart") or led
    whence = remote.origin(service.spec.placement, service.namespace)
    moves = Moves(target.namespace if target else tied, whence)
    doors = tuple(door.address for door in ports_of(service))
    return Declared(consumes, doors, observer.is_audited(service), stand, moves)


def declared_remotely(live: Object, cluster: str) -> Declared:
    """What a resource of another cluster says that concerns this one: where it moves, as it is called here."""
    to, whence = (remote.as_seen_here(namespace, cluster) for namespace in declared(live).moves)
    return Declared(moves=Moves(to, whence))


@dataclass(frozen=True)
class Inputs:
    """What the operator brings along. granted: the namespaces in which it may keep Secrets. sightings: doors that
    opened to it and must not have. gateway_api: whether the cluster serves GRPCRoutes. doors: what those of
    moves tell."""

    platform: Platform
    authority: CertificateAuthority
    granted: Container[str]
    sightings: Findings
    gateway_api: bool = True
    doors: Mapping[Key, Mapping[str, Any]] = field(default_factory=dict)


def observe(cache: Cache, service: Service, means: Inputs, status: Object, now: datetime) -> Observed:
    """All that is known about one service at this moment."""
    owned = {ref: stored.unpack() for ref, stored in cache.owned.get(service.key, {}).items()}
    owned = {ref: live for ref, live in owned.items() if ref.kind in COUNTS_UNTIL_GONE or not is_leaving(live, service)}
    names = {*cache.consumes.get(service.key, ()), *cache.consumers(service.key)}
    roles = engines.of(service.spec.database).roles if service.spec.database else ()
    seen = Observed(
        now=now,
        platform=means.platform,
        objects={ref: live for ref, live in owned.items() if ref.kind != "Pod"},
        pods=tuple(live for ref, live in sorted(owned.items()) if ref.kind == "Pod"),
        peers=_peers(cache, (names | _related(cache, {service.key, *names})) - {service.key}),
        graph=cache.graph,
        aliases=cache.aliases,
        namespace_labels=cache.namespaces,
        storage_classes=tuple(sorted(cache.storage_classes.values(), key=lambda c: (not c.default, c.name))),
        passwords={role: secrets.token_urlsafe(24) for role in roles},
        authority=means.authority.public,
        secrets_granted=service.namespace in means.granted,
        addresses=cache.addresses,
        breaches=means.sightings.breaches.get(service.key, ()),
        unenforced=means.sightings.unenforced,
        connections=means.sightings.connections.get(service.key, ()),
        gateway_api=means.gateway_api,
        copy_progress=means.doors.get(service.key, {}),
        status=status,
    )
    other = counterpart.of(Case(service, seen))
    if other and (service.spec.database or remote.is_remote(other.namespace)):
        doors = means.doors.get(service.key) or means.doors.get(other, {})
        seen = replace(seen, counterpart=_objects(cache, other), copy_progress=doors)
    seen = replace(
        seen,
        callers=pod_addresses.callers(cache, service.key),
        remote_targets=pod_addresses.remote_targets(cache, service.key),
    )
    due = [request for request in certificates.requests(Case(service, seen)) if certificates.due(request, seen)]
    return replace(seen, certificates={request.secret: means.authority.issue(request, now) for request in due})


def is_leaving(live: Object, service: Service) -> bool:
    """Whether an object is on its way out: being deleted, or left by a former resource of the same name."""
    metadata = live["metadata"]
    controllers = [owner for owner in metadata.get("ownerReferences", []) if owner.get("controller")]
    former = any(owner["kind"] == KIND and owner["uid"] != service.uid for owner in controllers)
    return former or "deletionTimestamp" in metadata


def _related(cache: Cache, names: Iterable[Key]) -> set[Key]:
    """What any of these is called elsewhere, before or after a move, and those that are named and do not agree."""
    leading = cache.aliases
    agreed = {one for key in names for one in (aliases.resolve(leading, key), *aliases.predecessors(leading, key))}
    named = {Key(namespace, key.name) for key in names for namespace in cache.moves.get(key, ()) if namespace}
    return agreed | named


def _peers(cache: Cache, names: Iterable[Key]) -> dict[Key, Peer]:
    found = {key: _peer(cache, key, cache.services[key]) for key in names if key in cache.services}
    return {key: peer for key, peer in found.items() if peer}


def _peer(cache: Cache, key: Key, stored: Stored) -> Peer | None:
    """Another service, from what it declares; one that is being deleted is as good as gone."""
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
    """Its database's engine and version; empty without one, or where that cannot be read."""
    try:
        return engines.describe(Database.model_validate(spec["database"])) if spec.get("database") else ""
    except ValidationError:
        return ""


def _as_seen_here(whose: Key, namespace: str) -> str:
    """A namespace that a service speaks of, as it is called here."""
    cluster = remote.cluster(whose.namespace)
    return remote.as_seen_here(namespace, cluster) if cluster else namespace


def _destination(key: Key, spec: Object) -> str:
    """The namespace that it is to stand in, as it says itself."""
    try:
        placement = Placement.model_validate(spec.get("placement", {}))
    except ValidationError:
        placement = Placement()
    return remote.destination(placement, remote.local_name(key.namespace))


def _blocked_message(status: Object) -> str:
    """What needs somebody for its move to go on."""
    said = (c for c in status.get("conditions", []) if (c["type"], c["status"]) == (Type.RELOCATED, State.FALSE))
    return next((str(c["message"]) for c in said), "")


def _objects(cache: Cache, key: Key) -> dict[Ref, Object]:
    """What another service has, but for what is on its way out."""
    owned = {ref: stored.unpack() for ref, stored in cache.owned.get(key, {}).items()}
    return {
        r: one for r, one in owned.items() if r.kind in COUNTS_UNTIL_GONE or "deletionTimestamp" not in one["metadata"]
    }


def _contract(cache: Cache, named: Key, live: Object) -> bytes:
    """What is published of the image that serves; of a service that moved, where it stands."""
    key = aliases.resolve(cache.aliases, named) if live.get("status", {}).get("endpointTarget") else named
    owned, stands = cache.owned.get(key, {}), cache.services.get(key)
    deployment = owned.get(Ref("Deployment", key.name))
    if deployment is None or stands is None:
        return b""
    annotations = stands.unpack()["metadata"].get("annotations", {})
    name = published.name(key.name, deployments.image_of(deployment.unpack()), annotations)
    stored = owned.get(Ref("ConfigMap", name))
    return published.content(stored.unpack()) or b"" if stored else b""


def _calls(live: Object) -> dict[Key, tuple[str, ...]]:
    """The methods it declares to call; none, where that cannot be read."""
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


def _explain(error: ValidationError) -> str:
    """Each fault with its place in the resource."""
    return "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
