"""Condition EndpointReady."""

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
    identity = Ref("Secret", names.identity(case.name))
    if consent.needs_identity(case) and identity not in case.observed.objects:
        return False
    if case.spec.database is None:
        return True
    if not applied.migrated(case) or not binding(case):
        return False
    serves = Ref("Deployment", case.name) in case.observed.objects
    return serves or readiness.database_ready(case)


def _forwarded(case: Case) -> Condition:
    """It is as well as the one that its name leads to."""
    target = case.observed.aliases[case.key]
    peer = case.observed.peers.get(target)
    well = bool(peer and peer.ready)
    said = f"its name leads to {target}" + ("" if well else ", which is not ready at the moment")
    return Condition(Type.ENDPOINT_READY, State.TRUE if well else State.UNKNOWN, Reason.REDIRECTED, said)


def condition(case: Case) -> Condition:
    if not routing.runs_here(case):
        return _forwarded(case)
    return Condition(Type.ENDPOINT_READY, *_state(case))


def _state(case: Case) -> tuple[State, Reason, str]:
    live = case.observed.objects.get(Ref("Deployment", case.name))
    if live is None and may_roll_out(case):
        return State.UNKNOWN, Reason.ROLLING_OUT, "its first pods are being started"
    if live is None:
        return (
            State.UNKNOWN,
            Reason.WAITING_FOR_MIGRATIONS,
            "pods start once what they stand on is there: database, schema, certificate",
        )
    available = live.get("status", {}).get("availableReplicas", 0)
    running = pods.component_pods(case.observed, meta.SERVICE)
    trouble = (
        pods.trouble(running, case.observed)
        or _refusal(live)
        or (_rolled_out(live) and pods.failing_health_check(running))
    )
    still = f"; {available} of {case.spec.replicas} pods serve" if available else ""
    if trouble:
        return State.FALSE, trouble.reason, trouble.message + still
    if not may_roll_out(case):
        serving, wanted = meta.image_name(deployments.image_of(live)), meta.image_name(case.spec.image)
        said = f"{serving} goes on serving until the migrations of {wanted} are in"
        return State.UNKNOWN, Reason.WAITING_FOR_MIGRATIONS, said
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
    """Whether the newest template was available once, so that what does not serve now has stopped serving."""
    conditions = live.get("status", {}).get("conditions", [])
    return any(c["type"] == "Progressing" and c.get("reason") == "NewReplicaSetAvailable" for c in conditions)


def _refusal(live: Object) -> pods.Trouble | None:
    """What an admission rule or a quota said when it refused a pod."""
    for condition in live.get("status", {}).get("conditions", []):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return pods.Trouble(Reason.REFUSED_BY_ADMISSION, f"pods are refused: {condition.get('message', '')}")
    return None
