"""Forwards: names that lead to the service of the same name in another namespace, and what it was called before."""

from __future__ import annotations

from collections.abc import Mapping

from freehold.api.grpc import Grpc
from freehold.core import clusters, gates, meta, names, pairs, seats
from freehold.core.model import Key, Observed, Ref, Service

Forwards = Mapping[Key, Key]
"""A service that moved, or is about to, and the one that takes over."""


def formers(forwards: Forwards, key: Key) -> tuple[Key, ...]:
    """The services that this one took over, the latest first; a ring of them ends where it began."""
    found: list[Key] = []
    now: Key | None = key
    while now := next((old for old, new in forwards.items() if new == now and old not in (key, *found)), None):
        found.append(now)
    return tuple(found)


def names_of(forwards: Forwards, key: Key) -> tuple[Key, ...]:
    """What a service is called, and was before."""
    return key, *formers(forwards, key)


def stands(forwards: Forwards, key: Key) -> Key:
    """Where a service that is named so is found in the end."""
    seen = {key}
    while (further := forwards.get(key)) and further not in seen:
        seen.add(key := further)
    return key


def taken_over(service: Service, services: Mapping[Key, Service]) -> tuple[Service, ...]:
    """The services that this one took over, of these, the latest first."""
    found: list[Service] = []
    now: Service | None = service
    while now and (whence := clusters.whence(now.spec.placement, now.namespace)):
        now = services.get(Key(whence, service.name))
        if now is None or now in (service, *found) or goes_to(now) != (found[-1] if found else service).key:
            break
        found.append(now)
    return tuple(found)


def goes_to(service: Service) -> Key | None:
    """The service of its name, in another namespace, that is to take its calls over."""
    named = clusters.heading(service.spec.placement, service.namespace)
    return Key(named, service.name) if named != service.namespace else None


def leads_now(service: Service, observed: Observed) -> Key | None:
    """The service that its name leads to at this moment; None where it leads to its own pods."""
    live = observed.objects.get(Ref("Service", service.name), {})
    if there := live.get("metadata", {}).get("annotations", {}).get(meta.LEADS_TO):
        return Key(there, service.name)
    name, _, rest = str(live.get("spec", {}).get("externalName", "")).partition(".")
    return Key(rest.partition(".")[0], name) if live.get("spec", {}).get("type") == "ExternalName" else None


def leads_to(service: Service, observed: Observed) -> Key | None:
    """The service that its name is to lead to; it turns only to one that can take the calls, and back only to pods
    that serve."""
    now, target = leads_now(service, observed), _agreed(service, observed)
    if target is None:
        serves = gates.serving(service, observed) and not seats.owner(service, observed).abroad
        return now if service.spec.replicas and not serves else None
    return target if now == target or not obstacle(service, observed, target) else now


def stands_here(service: Service, observed: Observed) -> bool:
    """Whether its own pods are to run: until nobody is led to them any more, and again when it is to come back and its
    data, if it has any, is here."""
    target, now = _agreed(service, observed), leads_now(service, observed)
    if target is None:
        return now is None or not seats.owner(service, observed).abroad
    return target != now


def is_told_of(service: Service, observed: Observed) -> bool:
    """Whether of a move it is told where the name leads, and not where the data is: on the side that goes, but while
    its data comes back, and on the one that takes over, until the data has come."""
    now, last = seats.owner(service, observed), observed.status.get("move", {})
    if now.abroad:
        return not pairs.is_to_have_it(service, observed)
    if service.spec.database is None or goes_to(service) or leads_now(service, observed):
        return True
    takes_over = bool(clusters.whence(service.spec.placement, service.namespace))
    between = takes_over or "namespace" in last.get("to", {})
    return between and not now.annotation(meta.TURNED_AT)


def _agreed(service: Service, observed: Observed) -> Key | None:
    """The one that is to take over, where both say so."""
    target = goes_to(service)
    return target if target == observed.forwards.get(service.key) else None


def alias(target: Key, observed: Observed) -> str:
    """The whole DNS name that the old one stands for."""
    return f"{names.host(target.name, target.namespace)}.{observed.platform.cluster_domain}"


def blocked(service: Service, observed: Observed, target: Key) -> str:
    """Why its name cannot lead there until somebody puts that right."""
    peer = observed.peers.get(target)
    lets = _lets(service, target)
    if peer is None:
        asked = f"apply one with {lets}"
        return f"there is no Microservice {target.name} in {clusters.told(target.namespace)} to take it over: {asked}"
    if observed.forwards.get(service.key) != target:
        return f"{target} does not take it over: {lets} there lets it"
    if not listen_alike(peer.grpc, service.spec.grpc):
        return f"spec.grpc.port and tls of {target} are not the same as here, and consumers know these"
    return pairs.differ(service, peer) or seats.unlike(service, observed) or pairs.mistrust(service, observed)


def _lets(service: Service, target: Key) -> str:
    """What the other side is to say."""
    if clusters.is_foreign(target.namespace):
        return "spec.placement.fromCluster: the Secret there with a kubeconfig for this cluster"
    return f"spec.placement.from: {service.namespace}"


def obstacle(service: Service, observed: Observed, target: Key) -> str:
    """Why its name cannot lead there yet."""
    if said := blocked(service, observed, target):
        return said
    peer = observed.peers[target]
    if service.spec.database and not seats.owner(service, observed).abroad:
        return f"its data goes to {clusters.told(target.namespace)} first, and {target} tells how far it is"
    ready = peer.ready and peer.takes_over == service.namespace
    return "" if ready else f"its pods start in {clusters.told(target.namespace)}"


def listen_alike(one: Grpc | None, other: Grpc | None) -> bool:
    """Whether who can call the one can call the other."""
    return one == other if one is None or other is None else (one.port, one.tls) == (other.port, other.tls)
