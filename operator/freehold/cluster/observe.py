"""From the cache to what the core may look at: the only place where chance comes in."""

from __future__ import annotations

import secrets
from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from pydantic import ValidationError

from freehold.api.v1alpha1 import KIND, Grpc, Microservice
from freehold.cluster.authority import CertificateAuthority
from freehold.cluster.cache import Cache, Stored
from freehold.cluster.kinds import HOLDS_DATA
from freehold.cluster.sentinel import Sightings
from freehold.core import certificates, credentials, reach, shadow
from freehold.core.model import Key, Object, Observed, Peer, Platform, Service


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
    """What others must know of a resource. addresses: of its doors. shadow: whether no wall stands around it."""

    consumes: frozenset[Key] = frozenset()
    addresses: tuple[str, ...] = ()
    shadow: bool = False


def declared(live: Object) -> Declared:
    """What a resource says; nothing, where it cannot be read."""
    try:
        service = parse(live)
    except InvalidResource:
        return Declared()
    consumes = frozenset(Key(c.namespace or service.namespace, c.name) for c in service.spec.consumes)
    return Declared(consumes, tuple(door.address for door in reach.doors(service)), shadow.is_on(service))


@dataclass(frozen=True)
class Means:
    """What the operator brings along. granted: the namespaces in which it may keep Secrets. sightings: doors that
    opened to it and must not have."""

    platform: Platform
    authority: CertificateAuthority
    granted: Container[str]
    sightings: Sightings


def observe(cache: Cache, service: Service, means: Means, status: Object, now: datetime) -> Observed:
    """All that is known about one service at this moment."""
    owned = {ref: stored.unpack() for ref, stored in cache.owned.get(service.key, {}).items()}
    owned = {ref: live for ref, live in owned.items() if not leaving(live, service) or ref.kind in HOLDS_DATA}
    names = cache.consumes.get(service.key, frozenset()) | frozenset(cache.consumers(service.key))
    seen = Observed(
        now=now,
        platform=means.platform,
        objects={ref: live for ref, live in owned.items() if ref.kind != "Pod"},
        pods=tuple(live for ref, live in sorted(owned.items()) if ref.kind == "Pod"),
        peers=_peers(cache, names),
        namespace_labels=cache.namespaces,
        storage_classes=tuple(sorted(cache.storage_classes.values(), key=lambda c: (not c.default, c.name))),
        passwords={role: secrets.token_urlsafe(24) for role in credentials.ROLES},
        authority=means.authority.public,
        secrets_granted=service.namespace in means.granted,
        addresses=cache.addresses,
        breaches=means.sightings.breaches.get(service.key, ()),
        unenforced=means.sightings.unenforced,
        connections=means.sightings.connections.get(service.key, ()),
        status=status,
    )
    due = [request for request in certificates.requests(service, seen) if certificates.due(request, seen)]
    return replace(seen, certificates={request.secret: means.authority.issue(request, now) for request in due})


def leaving(live: Object, service: Service) -> bool:
    """Whether an object is on its way out: being deleted, or left by a former resource of the same name."""
    metadata = live["metadata"]
    controllers = [owner for owner in metadata.get("ownerReferences", []) if owner.get("controller")]
    former = any(owner["kind"] == KIND and owner["uid"] != service.uid for owner in controllers)
    return former or "deletionTimestamp" in metadata


def _peers(cache: Cache, names: Iterable[Key]) -> dict[Key, Peer]:
    found = {key: _peer(cache, key, cache.services[key]) for key in names if key in cache.services}
    return {key: peer for key, peer in found.items() if peer}


def _peer(cache: Cache, key: Key, stored: Stored) -> Peer | None:
    """Another service, from what it declares; one that is being deleted is as good as gone."""
    live = stored.unpack()
    if "deletionTimestamp" in live["metadata"]:
        return None
    return Peer(key, _grpc(live), cache.consumes.get(key, frozenset()), key in cache.ready)


def _grpc(live: Object) -> Grpc | None:
    declared = live.get("spec", {}).get("grpc")
    try:
        return Grpc.model_validate(declared) if declared is not None else None
    except ValidationError:
        return None


def _explain(error: ValidationError) -> str:
    """Each fault with its place in the resource."""
    return "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
