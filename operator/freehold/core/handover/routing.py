"""Forwards: names that lead to the service of the same name in another namespace, and what it was called before."""

from __future__ import annotations

from freehold.core.database import topology
from freehold.core.model import remote
from freehold.core.model.case import Case, fact
from freehold.core.model.resources import Key, Observed, Ref, Service
from freehold.core.objects import deployments, meta, names
from freehold.core.peers import counterpart
from freehold.core.peers.aliases import destination, same_listener


@fact
def current_target(case: Case) -> Key | None:
    """The service that its name leads to at this moment; None where it leads to its own pods."""
    live = case.observed.objects.get(Ref("Service", case.name), {})
    if there := live.get("metadata", {}).get("annotations", {}).get(meta.ENDPOINT_TARGET):
        return Key(there, case.name)
    name, _, rest = str(live.get("spec", {}).get("externalName", "")).partition(".")
    return Key(rest.partition(".")[0], name) if live.get("spec", {}).get("type") == "ExternalName" else None


@fact
def endpoint_target(case: Case) -> Key | None:
    """The service that its name is to lead to; it turns only to one that can take the calls, and back only to pods
    that serve."""
    now, target = current_target(case), _agreed_target(case)
    if target is None:
        serves = deployments.serving(case) and not topology.primary(case).abroad
        return now if case.spec.replicas and not serves else None
    return target if now == target or not obstacle(case, target) else now


def runs_here(case: Case) -> bool:
    """Whether its own pods are to run: until nobody is led to them any more, and again when it is to come back and its
    data, if it has any, is here."""
    target, now = _agreed_target(case), current_target(case)
    if target is None:
        return now is None or not topology.primary(case).abroad
    return target != now


@fact
def reports_redirect(case: Case) -> bool:
    """Whether of a move it is told where the name leads, and not where the data is: on the side that goes, but while
    its data comes back, and on the one that takes over, until the data has come."""
    now, last = topology.primary(case), case.observed.status.get("move", {})
    if now.abroad:
        return not counterpart.takes_data(case)
    if case.spec.database is None or destination(case.service) or current_target(case):
        return True
    replaces = bool(remote.origin(case.spec.placement, case.namespace))
    between = replaces or "namespace" in last.get("to", {})
    return between and not now.annotation(meta.PROMOTED_AT)


def _agreed_target(case: Case) -> Key | None:
    """The one that is to take over, where both say so."""
    target = destination(case.service)
    return target if target == case.observed.aliases.get(case.key) else None


def alias(target: Key, observed: Observed) -> str:
    """The whole DNS name that the old one stands for."""
    return f"{names.host(target.name, target.namespace)}.{observed.platform.cluster_domain}"


def blocked_reason(case: Case, target: Key) -> str:
    """Why its name cannot lead there until somebody puts that right."""
    peer = case.observed.peers.get(target)
    lets = _required_edit(case.service, target)
    if peer is None:
        asked = f"apply one with {lets}"
        return f"there is no Microservice {target.name} in {remote.describe(target.namespace)} to take it over: {asked}"
    if case.observed.aliases.get(case.key) != target:
        return f"{target} does not take it over: {lets} there lets it"
    if not same_listener(peer.grpc, case.spec.grpc):
        return f"spec.grpc.port and tls of {target} are not the same as here, and consumers know these"
    return (
        counterpart.incompatibility(case.service, peer)
        or topology.conflicting_data(case)
        or counterpart.untrusted(case)
    )


def _required_edit(service: Service, target: Key) -> str:
    """What the other side is to say."""
    if remote.is_remote(target.namespace):
        return "spec.placement.fromCluster: the Secret there with a kubeconfig for this cluster"
    return f"spec.placement.from: {service.namespace}"


def obstacle(case: Case, target: Key) -> str:
    """Why its name cannot lead there yet."""
    if said := blocked_reason(case, target):
        return said
    peer = case.observed.peers[target]
    if case.spec.database and not topology.primary(case).abroad:
        return f"its data goes to {remote.describe(target.namespace)} first, and {target} tells how far it is"
    ready = peer.ready and peer.replaces == case.namespace
    return "" if ready else f"its pods start in {remote.describe(target.namespace)}"
