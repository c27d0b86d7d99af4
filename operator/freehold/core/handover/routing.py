"""The endpoint redirect of a moved service: present target, wanted target, and obstacles."""

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
    """Return the service to which the endpoint currently redirects; None if it leads to the service's own pods."""
    live = case.observed.objects.get(Ref("Service", case.name), {})
    if namespace := live.get("metadata", {}).get("annotations", {}).get(meta.ENDPOINT_TARGET):
        return Key(namespace, case.name)
    name, _, rest = str(live.get("spec", {}).get("externalName", "")).partition(".")
    return Key(rest.partition(".")[0], name) if live.get("spec", {}).get("type") == "ExternalName" else None


@fact
def endpoint_target(case: Case) -> Key | None:
    """Return the service to which the endpoint is to redirect; None for the service's own pods.

    The redirect starts once the target can take the calls, and ends once the service's own pods serve.
    """
    current, target = current_target(case), _agreed_target(case)
    if target is None:
        serves = deployments.serving(case) and not topology.primary(case).counterpart
        return current if case.spec.replicas and not serves else None
    return target if current == target or not obstacle(case, target) else current


def runs_here(case: Case) -> bool:
    """Return whether the service's own pods are to run.

    The pods end once the endpoint redirects to the target, and start again to return, once the primary is local.
    """
    target, current = _agreed_target(case), current_target(case)
    if target is None:
        return current is None or not topology.primary(case).counterpart
    return target != current


@fact
def reports_redirect(case: Case) -> bool:
    """Return whether condition Relocated reports the endpoint redirect (True) or the data move (False).

    The source reports the redirect, except while data returns; the destination reports the redirect until data arrives.
    """
    primary, last = topology.primary(case), case.observed.status.get("move", {})
    if primary.counterpart:
        return not counterpart.takes_data(case)
    if case.spec.database is None or destination(case.service) or current_target(case):
        return True
    replaces = bool(remote.origin(case.spec.placement, case.namespace))
    between = replaces or "namespace" in last.get("to", {})
    return between and not primary.annotation(meta.PROMOTED_AT)


def _agreed_target(case: Case) -> Key | None:
    """Return the destination of the move if both sides declare the move; else None."""
    target = destination(case.service)
    return target if target == case.observed.aliases.get(case.key) else None


def alias(target: Key, observed: Observed) -> str:
    """Return the full DNS name of the target, for a Service of type ExternalName."""
    return f"{names.host(target.name, target.namespace)}.{observed.platform.cluster_domain}"


def blocked_reason(case: Case, target: Key) -> str:
    """Return why the endpoint cannot redirect to the target without an action; empty if nothing blocks."""
    peer = case.observed.peers.get(target)
    edit = _required_edit(case.service, target)
    if peer is None:
        return f"{remote.describe(target.namespace)} has no Microservice {target.name}; apply one with {edit}"
    if case.observed.aliases.get(case.key) != target:
        return f"{target} does not declare the source of the move; set {edit} there"
    if not same_listener(peer.grpc, case.spec.grpc):
        return (
            f"spec.grpc.port or tls differs between {target} and {case.key}; make both equal, since consumers use them"
        )
    return (
        counterpart.incompatibility(case.service, peer)
        or topology.conflicting_data(case)
        or counterpart.untrusted(case)
    )


def _required_edit(service: Service, target: Key) -> str:
    """Return the field that the destination must set."""
    if remote.is_remote(target.namespace):
        return "spec.placement.fromCluster: NAME (in that cluster, which has this cluster registered)"
    return f"spec.placement.from: {service.namespace}"


def obstacle(case: Case, target: Key) -> str:
    """Return why the endpoint does not redirect to the target yet; empty if it can."""
    if blocked := blocked_reason(case, target):
        return blocked
    peer = case.observed.peers[target]
    if case.spec.database and not topology.primary(case).counterpart:
        return f"the data moves to {remote.describe(target.namespace)} first; {target} reports the progress"
    ready = peer.ready and peer.replaces == case.namespace
    return "" if ready else f"the pods start in {remote.describe(target.namespace)}"
