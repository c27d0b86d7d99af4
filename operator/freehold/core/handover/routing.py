"""Forwards: names that lead to the service of the same name in another namespace, and what it was called before."""

from __future__ import annotations

from freehold.core.database import topology
from freehold.core.model import remote
from freehold.core.model.case import Case, fact
from freehold.core.model.resources import Key, Observed, Ref, Service
from freehold.core.objects import deployments, meta, names
from freehold.core.peers import counterpart
from freehold.core.peers.aliases import goes_to, listen_alike


@fact
def leads_now(case: Case) -> Key | None:
    """The service that its name leads to at this moment; None where it leads to its own pods."""
    live = case.observed.objects.get(Ref("Service", case.name), {})
    if there := live.get("metadata", {}).get("annotations", {}).get(meta.LEADS_TO):
        return Key(there, case.name)
    name, _, rest = str(live.get("spec", {}).get("externalName", "")).partition(".")
    return Key(rest.partition(".")[0], name) if live.get("spec", {}).get("type") == "ExternalName" else None


@fact
def leads_to(case: Case) -> Key | None:
    """The service that its name is to lead to; it turns only to one that can take the calls, and back only to pods
    that serve."""
    now, target = leads_now(case), _agreed(case)
    if target is None:
        serves = deployments.serving(case) and not topology.owner(case).abroad
        return now if case.spec.replicas and not serves else None
    return target if now == target or not obstacle(case, target) else now


def stands_here(case: Case) -> bool:
    """Whether its own pods are to run: until nobody is led to them any more, and again when it is to come back and its
    data, if it has any, is here."""
    target, now = _agreed(case), leads_now(case)
    if target is None:
        return now is None or not topology.owner(case).abroad
    return target != now


@fact
def is_told_of(case: Case) -> bool:
    """Whether of a move it is told where the name leads, and not where the data is: on the side that goes, but while
    its data comes back, and on the one that takes over, until the data has come."""
    now, last = topology.owner(case), case.observed.status.get("move", {})
    if now.abroad:
        return not counterpart.is_to_have_it(case)
    if case.spec.database is None or goes_to(case.service) or leads_now(case):
        return True
    takes_over = bool(remote.whence(case.spec.placement, case.namespace))
    between = takes_over or "namespace" in last.get("to", {})
    return between and not now.annotation(meta.TURNED_AT)


def _agreed(case: Case) -> Key | None:
    """The one that is to take over, where both say so."""
    target = goes_to(case.service)
    return target if target == case.observed.forwards.get(case.key) else None


def alias(target: Key, observed: Observed) -> str:
    """The whole DNS name that the old one stands for."""
    return f"{names.host(target.name, target.namespace)}.{observed.platform.cluster_domain}"


def blocked(case: Case, target: Key) -> str:
    """Why its name cannot lead there until somebody puts that right."""
    peer = case.observed.peers.get(target)
    lets = _lets(case.service, target)
    if peer is None:
        asked = f"apply one with {lets}"
        return f"there is no Microservice {target.name} in {remote.told(target.namespace)} to take it over: {asked}"
    if case.observed.forwards.get(case.key) != target:
        return f"{target} does not take it over: {lets} there lets it"
    if not listen_alike(peer.grpc, case.spec.grpc):
        return f"spec.grpc.port and tls of {target} are not the same as here, and consumers know these"
    return counterpart.differ(case.service, peer) or topology.unlike(case) or counterpart.mistrust(case)


def _lets(service: Service, target: Key) -> str:
    """What the other side is to say."""
    if remote.is_foreign(target.namespace):
        return "spec.placement.fromCluster: the Secret there with a kubeconfig for this cluster"
    return f"spec.placement.from: {service.namespace}"


def obstacle(case: Case, target: Key) -> str:
    """Why its name cannot lead there yet."""
    if said := blocked(case, target):
        return said
    peer = case.observed.peers[target]
    if case.spec.database and not topology.owner(case).abroad:
        return f"its data goes to {remote.told(target.namespace)} first, and {target} tells how far it is"
    ready = peer.ready and peer.takes_over == case.namespace
    return "" if ready else f"its pods start in {remote.told(target.namespace)}"
