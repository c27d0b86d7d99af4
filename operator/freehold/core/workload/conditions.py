"""Condition EndpointReady: the state of the service's pods, or of the redirect target."""

from __future__ import annotations

from freehold.core.database import readiness
from freehold.core.handover import routing
from freehold.core.migrations import applied
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.resources import Object, Ref, Service
from freehold.core.objects import deployments, meta, names, pods
from freehold.core.peers import consent
from freehold.core.workload.deployment import binding


def may_roll_out(case: Case) -> bool:
    """Return whether certificate, schema and binding exist. A first rollout also needs a ready database."""
    identity = Ref("Secret", names.identity(case.name))
    if consent.needs_identity(case) and identity not in case.observed.objects:
        return False
    if case.spec.database is None:
        return True
    if not applied.migrated(case) or not binding(case):
        return False
    exists = Ref("Deployment", case.name) in case.observed.objects
    return exists or readiness.database_ready(case)


def _redirected(case: Case) -> Condition:
    """The condition of a service whose endpoint redirects to another: True if the target is ready."""
    target = case.observed.aliases[case.key]
    peer = case.observed.peers.get(target)
    ready = bool(peer and peer.ready)
    message = f"the endpoint redirects to {target}" + ("" if ready else ", which is not ready")
    return Condition(Type.ENDPOINT_READY, State.TRUE if ready else State.UNKNOWN, Reason.REDIRECTED, message)


def condition(case: Case) -> Condition:
    """Return condition EndpointReady."""
    if not routing.runs_here(case):
        return _redirected(case)
    return Condition(Type.ENDPOINT_READY, *_state(case))


def _state(case: Case) -> tuple[State, Reason, str]:
    live = case.observed.objects.get(Ref("Deployment", case.name))
    if live is None and may_roll_out(case):
        return State.UNKNOWN, Reason.ROLLING_OUT, "the first pods are starting"
    if live is None:
        return (
            State.UNKNOWN,
            Reason.WAITING_FOR_MIGRATIONS,
            "pods start once database, schema and certificate exist",
        )
    available = live.get("status", {}).get("availableReplicas", 0)
    running = pods.component_pods(case.observed, meta.SERVICE)
    trouble = (
        pods.trouble(running, case.observed)
        or _refusal(live)
        or (_rolled_out(live) and pods.failing_health_check(running))
    )
    serving = f"; {available} of {case.spec.replicas} pods serve" if available else ""
    if trouble:
        return State.FALSE, trouble.reason, trouble.message + serving
    if not may_roll_out(case):
        old, new = meta.image_name(deployments.image_of(live)), meta.image_name(case.spec.image)
        message = f"{old} goes on serving until the migrations of {new} are applied"
        return State.UNKNOWN, Reason.WAITING_FOR_MIGRATIONS, message
    return _progress(case.service, live, available)


def _progress(service: Service, live: Object, available: int) -> tuple[State, Reason, str]:
    status, wanted = live.get("status", {}), service.spec.replicas
    settled = (
        status.get("observedGeneration") == live["metadata"].get("generation")
        and live["spec"].get("replicas") == wanted
        and status.get("updatedReplicas", 0) == status.get("replicas", 0) == wanted == available
    )
    if settled and wanted == 0:
        return State.TRUE, Reason.SCALED_TO_ZERO, "scaled to zero; set spec.replicas to serve again"
    if settled:
        return State.TRUE, Reason.AVAILABLE, f"{available} of {wanted} pods serve"
    return State.UNKNOWN, Reason.ROLLING_OUT, f"{available} of {wanted} pods serve; a rollout is under way"


def _rolled_out(live: Object) -> bool:
    """Return whether the newest template was fully available before: pods that do not serve now have stopped."""
    conditions = live.get("status", {}).get("conditions", [])
    return any(c["type"] == "Progressing" and c.get("reason") == "NewReplicaSetAvailable" for c in conditions)


def _refusal(live: Object) -> pods.Trouble | None:
    """Return the refusal of pods by an admission rule or a quota, if any."""
    for condition in live.get("status", {}).get("conditions", []):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return pods.Trouble(Reason.REFUSED_BY_ADMISSION, f"pods are refused: {condition.get('message', '')}")
    return None
