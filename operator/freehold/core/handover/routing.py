"""Forwards: names that lead to the service of the same name in another namespace, and what it was called before."""

from __future__ import annotations

from freehold.core.database import topology
from freehold.core.model import remote
from freehold.core.model.resources import Key, Observed, Ref, Service
from freehold.core.objects import deployments, meta, names
from freehold.core.peers import counterpart
from freehold.core.peers.aliases import goes_to, listen_alike


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
        serves = deployments.serving(service, observed) and not topology.owner(service, observed).abroad
        return now if service.spec.replicas and not serves else None
    return target if now == target or not obstacle(service, observed, target) else now


def stands_here(service: Service, observed: Observed) -> bool:
    """Whether its own pods are to run: until nobody is led to them any more, and again when it is to come back and its
    data, if it has any, is here."""
    target, now = _agreed(service, observed), leads_now(service, observed)
    if target is None:
        return now is None or not topology.owner(service, observed).abroad
    return target != now


def is_told_of(service: Service, observed: Observed) -> bool:
    """Whether of a move it is told where the name leads, and not where the data is: on the side that goes, but while
    its data comes back, and on the one that takes over, until the data has come."""
    now, last = topology.owner(service, observed), observed.status.get("move", {})
    if now.abroad:
        return not counterpart.is_to_have_it(service, observed)
    if service.spec.database is None or goes_to(service) or leads_now(service, observed):
        return True
    takes_over = bool(remote.whence(service.spec.placement, service.namespace))
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
        return f"there is no Microservice {target.name} in {remote.told(target.namespace)} to take it over: {asked}"
    if observed.forwards.get(service.key) != target:
        return f"{target} does not take it over: {lets} there lets it"
    if not listen_alike(peer.grpc, service.spec.grpc):
        return f"spec.grpc.port and tls of {target} are not the same as here, and consumers know these"
    return (
        counterpart.differ(service, peer)
        or topology.unlike(service, observed)
        or counterpart.mistrust(service, observed)
    )


def _lets(service: Service, target: Key) -> str:
    """What the other side is to say."""
    if remote.is_foreign(target.namespace):
        return "spec.placement.fromCluster: the Secret there with a kubeconfig for this cluster"
    return f"spec.placement.from: {service.namespace}"


def obstacle(service: Service, observed: Observed, target: Key) -> str:
    """Why its name cannot lead there yet."""
    if said := blocked(service, observed, target):
        return said
    peer = observed.peers[target]
    if service.spec.database and not topology.owner(service, observed).abroad:
        return f"its data goes to {remote.told(target.namespace)} first, and {target} tells how far it is"
    ready = peer.ready and peer.takes_over == service.namespace
    return "" if ready else f"its pods start in {remote.told(target.namespace)}"
