"""Observations of a service, built from the cache.

Time, random passwords and new certificates enter here; the core is deterministic.
"""

from __future__ import annotations

import secrets
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import ValidationError

from freehold.api.v1alpha1.microservice import KIND, Microservice
from freehold.core import certificates, engines
from freehold.core.latency import call_graph
from freehold.core.model import remote
from freehold.core.model.case import Case
from freehold.core.model.findings import Findings
from freehold.core.model.resources import EMPTY, CallNode, Key, Object, Observed, Peer, Platform, Ref, Service
from freehold.core.model.troubles import Refusal
from freehold.core.objects import observer
from freehold.core.peers import aliases, consent, counterpart, shares
from freehold.core.peers.ports import ports_of
from freehold.kube import peers, pod_addresses, shapes
from freehold.kube.cache import Cache
from freehold.kube.certificate_authority import CertificateAuthority
from freehold.kube.kinds import HOLDS_DATA, POD
from freehold.kube.relations import NOT_MOVING, Moves

OBSERVED_UNTIL_GONE = HOLDS_DATA | {POD.name}
"""Kinds observed until they are gone: data, and pods, which need their network policies while they end."""


class InvalidResource(Exception):
    """The API server accepted a resource that this version cannot read; the message names the fields."""


def parse(live: Object) -> Service:
    """Return a Microservice in the core's form. Raises InvalidResource."""
    metadata = live["metadata"]
    try:
        spec = Microservice.model_validate({"spec": live.get("spec", {})}).spec
    except ValidationError as error:
        raise InvalidResource(_explain(error)) from error
    key = Key(metadata["namespace"], metadata["name"])
    labels, annotations = metadata.get("labels", {}), metadata.get("annotations", {})
    return Service(key, metadata["uid"], metadata["generation"], spec, labels, annotations)


class Declared(NamedTuple):
    """The part of a resource that concerns other services.

    addresses: of the ports, as `host:port`. audited: whether the service is in audit mode. node: in the call graph.
    moves: between namespaces. peer: what other services may know, if the resource is not being deleted.
    """

    consumes: frozenset[Key] = frozenset()
    addresses: tuple[str, ...] = ()
    audited: bool = False
    node: CallNode = EMPTY
    moves: Moves = NOT_MOVING
    peer: Peer | None = None


def declared(live: Object) -> Declared:
    """Return the declarations of a resource; only the peer for a resource that cannot be parsed.

    Raises ValueError for a resource whose fields have other types than the API's.
    """
    peer = peers.record(live)
    try:
        service = parse(live)
    except InvalidResource:
        return Declared(peer=peer)
    node = call_graph.node_of(service)
    consumes = frozenset(call.provider for call in node.calls)
    status, target = live.get("status", {}), aliases.destination(service)
    previous = status.get("previousTarget", {}).get("namespace", "")
    recorded = status.get("endpointTarget") or status.get("counterpart") or previous
    origin = remote.origin(service.spec.placement, service.namespace)
    moves = Moves(target.namespace if target else recorded, origin)
    addresses = tuple(port.address for port in ports_of(service))
    return Declared(consumes, addresses, observer.is_audited(service), node, moves, peer)


def declared_remotely(live: Object, cluster: str) -> Declared:
    """Return moves and peer of a resource of another cluster, with namespaces as named in this cluster.

    Raises ValueError as `declared` does.
    """
    destination, origin = (remote.as_seen_here(namespace, cluster) for namespace in declared(live).moves)
    seen_here = remote.namespace_in(live["metadata"]["namespace"], cluster)
    peer = peers.record({**live, "metadata": {**live["metadata"], "namespace": seen_here}})
    return Declared(moves=Moves(destination, origin), peer=peer)


@dataclass(frozen=True)
class Inputs:
    """The inputs of an observation that are not in the cache.

    granted: the namespaces with a grant for Secrets. gateway_api: whether the cluster serves GRPCRoutes. copy_progress:
    of the database proxies, by service. dns_closed: why policies close DNS; empty unless proven. refusals: of pods, by
    namespace and object.
    """

    platform: Platform
    authority: CertificateAuthority
    granted: Container[str]
    findings: Findings
    gateway_api: bool = True
    copy_progress: Mapping[Key, Mapping[str, Any]] = field(default_factory=dict)
    dns_closed: str = ""
    refusals: Mapping[tuple[str, Ref], Refusal] = field(default_factory=dict)


def observe(cache: Cache, service: Service, inputs: Inputs, status: Object, now: datetime) -> Observed:
    """Return the observation of a service. status: of the Microservice."""
    observed = _observed(cache, service, inputs, status, now)
    other = counterpart.of(Case(service, observed))
    if other and (service.spec.database or remote.is_remote(other.namespace)):
        progress = inputs.copy_progress.get(service.key) or inputs.copy_progress.get(other, {})
        observed = replace(observed, counterpart=_objects(cache, other), copy_progress=progress)
    observed = replace(
        observed,
        callers=pod_addresses.callers(cache, service.key),
        remote_targets=pod_addresses.remote_targets(cache, service.key),
    )
    requests = certificates.requests(Case(service, observed))
    due = [request for request in requests if certificates.due(request, observed)]
    return replace(observed, certificates={request.secret: inputs.authority.issue(request, now) for request in due})


def _observed(cache: Cache, service: Service, inputs: Inputs, status: Object, now: datetime) -> Observed:
    """Return the observation without the counterpart's objects, remote addresses and certificates."""
    owned = {ref: stored.unpack() for ref, stored in cache.owned.get(service.key, {}).items()}
    objects = {
        ref: live for ref, live in owned.items() if ref.kind in OBSERVED_UNTIL_GONE or not is_leaving(live, service)
    }
    consumes = cache.consumes.get(service.key, frozenset())
    crowds = cache.crowds({service.key, *consumes})
    names = {*consumes, *_consumers(cache, service, crowds)}
    roles = engines.of(service.spec.database).roles if service.spec.database else ()
    return Observed(
        now=now,
        platform=inputs.platform,
        objects={ref: live for ref, live in objects.items() if ref.kind != "Pod"},
        pods=tuple(live for ref, live in sorted(objects.items()) if ref.kind == "Pod"),
        peers=peers.of(cache, (names | peers.related(cache, {service.key, *names})) - {service.key}),
        graph=cache.graph,
        aliases=cache.aliases,
        namespace_labels=cache.namespaces,
        storage_classes=tuple(sorted(cache.storage_classes.values(), key=lambda c: (not c.default, c.name))),
        passwords={role: secrets.token_urlsafe(24) for role in roles},
        authority=inputs.authority.public,
        secrets_granted=service.namespace in inputs.granted,
        addresses=cache.addresses,
        breaches=inputs.findings.breaches.get(service.key, ()),
        unenforced=inputs.findings.unenforced,
        dns_closed=inputs.dns_closed,
        connections=inputs.findings.connections.get(service.key, ()),
        gateway_api=inputs.gateway_api,
        copy_progress=inputs.copy_progress.get(service.key, {}),
        crowds=crowds,
        refusals={ref: refusal for ref in objects if (refusal := inputs.refusals.get((service.namespace, ref)))},
        status=status,
    )


def _consumers(cache: Cache, service: Service, crowds: Mapping[Key, frozenset[Key]]) -> Iterable[Key]:
    """Return the consumers to observe; of too many only those that may be admitted.

    All for a service that replaces another, since the replaced service's consent counts as well.
    """
    crowd, known = crowds.get(service.key), cache.aliases
    if crowd is None or aliases.predecessors(known, service.key):
        return cache.consumers(service.key)
    own = consent.as_peer(service)
    return shares.shared(consent.admitted_among(own, crowd, known, cache.namespaces))


def is_leaving(live: Object, service: Service) -> bool:
    """Return whether an object is being deleted, or owned by a former resource of the same name."""
    metadata = live["metadata"]
    controllers = [owner for owner in metadata.get("ownerReferences", []) if owner.get("controller")]
    former = any(owner["kind"] == KIND and owner["uid"] != service.uid for owner in controllers)
    return former or "deletionTimestamp" in metadata


def _objects(cache: Cache, key: Key) -> dict[Ref, Object]:
    """Return the objects of a counterpart, except those that are being deleted and those of another form."""
    owned = {ref: stored.unpack() for ref, stored in cache.owned.get(key, {}).items()}
    return {
        ref: live
        for ref, live in owned.items()
        if (ref.kind in OBSERVED_UNTIL_GONE or "deletionTimestamp" not in live["metadata"]) and shapes.fits(live)
    }


def _explain(error: ValidationError) -> str:
    """Return each validation error with the path of the field."""
    return "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
