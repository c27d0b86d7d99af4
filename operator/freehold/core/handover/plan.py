"""Endpoint handover: a service moves to another namespace, and the old name redirects to the new one.

Two Microservices of the same name declare the move: the source names the destination, the destination the source. From
then on network policies admit both. Once the destination is Ready and reports `replaces`, the source's Service becomes
an alias (core/v1, type ExternalName), and the source's pods end. A return works the same way; the path to the previous
target stays open until cached DNS answers have expired. `routing.py` decides the target; `workload/service.py` writes
the Service.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from freehold.core.database import copy_status, rollback, topology
from freehold.core.handover import endpoint_slices, routing, withdrawal
from freehold.core.model import messages, quantities, remote
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.resources import Key, Object, Plan
from freehold.core.objects import meta, names
from freehold.core.peers import aliases, consent

CAPABILITY = "handover"
NAMED = 8
"""Consumers named in a message."""
DNS_TTL = timedelta(seconds=7)
"""How long clients may use a cached DNS answer (CoreDNS: 5 s), rounded up for timestamps in seconds."""


def plan(case: Case) -> Plan:
    """Return the EndpointSlices, and the condition and status of the redirect, for either side of a move."""
    destination, target = aliases.destination(case.service), routing.endpoint_target(case)
    replaced = next(iter(aliases.predecessors(case.observed.aliases, case.key)), None)
    reports = routing.reports_redirect(case)
    previous = None if destination or target else _previous_target(case)
    condition = (
        (_source_condition(case, destination, target) or _returned_condition(case, previous)) if reports else None
    )
    status: dict[str, Any] = {}
    if condition:
        start, end = ({"namespace": key.namespace} for key in (case.key, destination or case.key))
        step = Reason.RELOCATED if condition.reason is Reason.ROLLBACK_UNAVAILABLE else condition.reason
        status["move"] = {"from": start, "to": end, "step": step.value, **_data_progress(case, end)}
    elif reports:
        condition = _destination_condition(case, replaced)
    if target:
        status["endpointTarget"] = target.namespace
    if previous:
        status["previousTarget"] = {"namespace": previous[0].namespace, "until": quantities.timestamp(previous[1])}
    if replaced:
        status["replaces"] = replaced.namespace
    tie = withdrawal.tie(case)
    if tie:
        status["counterpart"] = tie.namespace
    if tie and tie.withdrawn_at:
        status["withdrawnAt"] = quantities.timestamp(tie.withdrawn_at)
    moments = [previous[1] if previous else None, tie.ends if tie else None]
    retry_after = min(((moment - case.observed.now).total_seconds() for moment in moments if moment), default=None)
    objects = endpoint_slices.objects(case, CAPABILITY)
    return Plan(CAPABILITY, objects, condition, status=status, retry_after=retry_after)


def _previous_target(case: Case) -> tuple[Key, datetime] | None:
    """Return the previous endpoint target, and until when cached DNS answers may lead there; None once expired."""
    recorded = case.observed.status.get("previousTarget", {})
    target = Key(recorded.get("namespace") or case.observed.status.get("endpointTarget", ""), case.name)
    until = datetime.fromisoformat(recorded["until"]) if recorded else case.observed.now + DNS_TTL
    return (target, until) if case.observed.aliases.get(case.key) == target and case.observed.now < until else None


def _data_progress(case: Case, destination: Object) -> Object:
    """Return the progress of the copy, and after the switchover the write pause, as fields of status.move."""
    primary, last = topology.primary(case), case.observed.status.get("move", {})
    if primary.counterpart:
        pause = {
            "writePauseMs": int(primary.annotation(meta.WRITE_PAUSE) or 0),
            "switchedOverAt": primary.annotation(meta.PROMOTED_AT),
        }
        return {**copy_status.last_reported(last), **pause}
    known = copy_status.last_reported(last) if last.get("to") == destination else {}
    return {**known, **copy_status.reported(case.observed)} if topology.is_handing_over(case) else {}


def _source_condition(case: Case, destination: Key | None, target: Key | None) -> Condition | None:
    """Return Relocated of the source of a move, or of a service that returns; None without either."""
    if destination is None and target is None:
        return None
    if destination is None:
        message = (
            f"the pods start in namespace {case.namespace} again; until they serve, calls are redirected to {target}"
        )
        return _condition(State.UNKNOWN, Reason.MOVING_PODS, message)
    if blocked := routing.blocked_reason(case, destination):
        effect = f"calls are still redirected to {target}" if target else f"the service stays in {case.namespace}"
        return _condition(State.FALSE, Reason.MOVE_BLOCKED, f"{blocked}; {effect}")
    data_first = case.spec.database and not topology.primary(case).counterpart
    if data_first and (stopped := case.observed.peers[destination].stopped):
        return _condition(State.FALSE, Reason.MOVE_BLOCKED, f"{destination} reports: {stopped}")
    if target != destination:
        step = Reason.INITIAL_COPY if data_first else Reason.MOVING_PODS
        return _condition(State.UNKNOWN, step, routing.obstacle(case, destination))
    consumers = messages.listed(map(str, consent.consumers(case)), NAMED)
    remaining = f"consumers that use the old name: {consumers}" if consumers else "no consumer uses the old name"
    message = f"{names.host(case.name, case.namespace)} redirects to {destination}; {remaining}"
    if fault := rollback.fault(case):
        return _condition(State.TRUE, Reason.ROLLBACK_UNAVAILABLE, f"{message}; no rollback is possible: {fault}")
    return _condition(State.TRUE, Reason.RELOCATED, message)


def _destination_condition(case: Case, replaced: Key | None) -> Condition | None:
    """Return Relocated of the destination of a move; None once the source is gone."""
    if replaced:
        message = f"replaces {replaced}; consumers admitted by {replaced} are admitted as well"
        return _condition(State.TRUE, Reason.RELOCATED, message)
    namespace = remote.origin(case.spec.placement, case.namespace)
    source = Key(namespace, case.name) if namespace else None
    if source is None or source not in case.observed.peers:
        return None
    edit = f"spec.placement.namespace: {case.namespace}"
    if remote.is_remote(source.namespace):
        edit = "spec.placement.cluster: NAME (in that cluster, which has this cluster registered)"
    message = f"waits for the source of the move; set {edit} in {source}"
    return _condition(State.UNKNOWN, Reason.WAITING_FOR_CONSENT, message)


def _returned_condition(case: Case, previous: tuple[Key, datetime] | None) -> Condition | None:
    """Return Relocated of a service that returned from a move; None if the service never moved."""
    if "namespace" not in case.observed.status.get("move", {}).get("to", {}):
        return None
    if previous:
        message = f"calls reach this namespace again; the path to {previous[0]} closes once cached DNS answers expire"
        return _condition(State.UNKNOWN, Reason.REDIRECTING_ENDPOINT, message)
    return _condition(State.TRUE, Reason.AT_DESTINATION, f"in namespace {case.namespace}, as declared")


def _condition(state: State, reason: Reason, message: str) -> Condition:
    return Condition(Type.RELOCATED, state, reason, message)
