"""Forwarding: a service moves to another namespace, and its old name leads there.

Two resources of one name agree: one says that it goes, the other that it takes over. From then on the walls admit both,
so that nobody is cut off on the way; once the one that takes over is Ready and says that it does, the old name becomes
an alias of the new one (core/v1, Service of type ExternalName), and the old pods end when nobody is led to them any
more. The name turns back the same way, and the way there closes once nobody can go by the old answer any more. Where it
leads is decided in peers/aliases.py and written by workload/service.py.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from freehold.core.database import copy_status, topology
from freehold.core.handover import endpoint_slices, routing
from freehold.core.model import quantities, remote
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.resources import Key, Object, Plan
from freehold.core.objects import meta, names
from freehold.core.peers import aliases, consent, counterpart

CAPABILITY = "handover"
DNS_TTL = timedelta(seconds=7)
"""For how long somebody may go by what DNS said before (CoreDNS: 5 s), where times are written to the second."""


def plan(case: Case) -> Plan:
    """What is said of it, on either side."""
    target, leads = aliases.destination(case.service), routing.endpoint_target(case)
    former = next(iter(aliases.predecessors(case.observed.aliases, case.key)), None)
    named = routing.reports_redirect(case)
    led = None if target or leads else _previous_target(case)
    own = (_source_condition(case, target, leads) or _returned_condition(case, led)) if named else None
    shown: dict[str, Any] = {}
    if own:
        here, there = ({"namespace": one.namespace} for one in (case.key, target or case.key))
        shown["move"] = {"from": here, "to": there, "step": own.reason.value, **_data_progress(case, there)}
    if leads:
        shown["endpointTarget"] = leads.namespace
    if led:
        shown["previousTarget"] = {"namespace": led[0].namespace, "until": quantities.timestamp(led[1])}
    if former:
        shown["replaces"] = former.namespace
    if copy := _shared_counterpart(case):
        shown["counterpart"] = copy
    again = (led[1] - case.observed.now).total_seconds() if led else None
    told = own or (_destination_condition(case, former) if named else None)
    return Plan(CAPABILITY, endpoint_slices.objects(case, CAPABILITY), told, shown=shown, again=again)


def _previous_target(case: Case) -> tuple[Key, datetime] | None:
    """The service that its name led to until a moment ago, and until when whoever was told so may still come there."""
    way = case.observed.status.get("previousTarget", {})
    there = Key(way.get("namespace") or case.observed.status.get("endpointTarget", ""), case.name)
    until = datetime.fromisoformat(way["until"]) if way else case.observed.now + DNS_TTL
    return (there, until) if case.observed.aliases.get(case.key) == there and case.observed.now < until else None


def _data_progress(case: Case, there: Object) -> Object:
    """How far the data is on the way there, and how long no write was taken when it had come."""
    now, last = topology.primary(case), case.observed.status.get("move", {})
    if now.abroad:
        pause = {
            "writePauseMs": int(now.annotation(meta.WRITE_PAUSE) or 0),
            "switchedOverAt": now.annotation(meta.PROMOTED_AT),
        }
        return {**copy_status.last_reported(last), **pause}
    known = copy_status.last_reported(last) if last.get("to") == there else {}
    return {**known, **copy_status.reported(case.observed)} if topology.is_handing_over(case) else {}


def _shared_counterpart(case: Case) -> str:
    """The namespace of the other side, as long as it has a server of the data, and so both look to each other."""
    other = counterpart.with_database(case)
    goes = other is not None and case.observed.aliases.get(case.key) == other
    return (
        other.namespace
        if other and goes and any(ref.kind == "StatefulSet" for ref in case.observed.counterpart)
        else ""
    )


def _source_condition(case: Case, target: Key | None, leads: Key | None) -> Condition | None:
    """Of the one that goes, or comes back."""
    if target is None and leads is None:
        return None
    if target is None:
        said = f"its pods start here again; until they serve, its name leads to {leads}"
        return _condition(State.UNKNOWN, Reason.MOVING_PODS, said)
    if said := routing.blocked_reason(case, target):
        here = f"its name leads to {leads} meanwhile" if leads else f"it stays in namespace {case.namespace}"
        return _condition(State.FALSE, Reason.MOVE_BLOCKED, f"{said}; {here}")
    data_first = case.spec.database and not topology.primary(case).abroad
    if data_first and (stopped := case.observed.peers[target].stopped):
        return _condition(State.FALSE, Reason.MOVE_BLOCKED, f"{target} says: {stopped}")
    if leads != target:
        step = Reason.INITIAL_COPY if data_first else Reason.MOVING_PODS
        return _condition(State.UNKNOWN, step, routing.obstacle(case, target))
    naming = ", ".join(map(str, consent.consumers(case)))
    left = f"who consumes it by that name: {naming}" if naming else "no service consumes it by that name any more"
    said = f"{names.host(case.name, case.namespace)} leads to {target}; {left}"
    return _condition(State.TRUE, Reason.RELOCATED, said)


def _destination_condition(case: Case, former: Key | None) -> Condition | None:
    """Of the one that takes over. Nothing is said once the other is gone: then it is a service like any other."""
    if former:
        return _condition(
            State.TRUE, Reason.RELOCATED, f"takes over from {former}; whoever that admits is admitted here"
        )
    whence = remote.origin(case.spec.placement, case.namespace)
    named = Key(whence, case.name) if whence else None
    if named is None or named not in case.observed.peers:
        return None
    edit = f"spec.placement.namespace: {case.namespace} there"
    if remote.is_remote(named.namespace):
        edit = "spec.placement.cluster: the Secret there with a kubeconfig for this cluster"
    said = f"takes over from {named} once that says so: {edit}"
    return _condition(State.UNKNOWN, Reason.WAITING_FOR_CONSENT, said)


def _returned_condition(case: Case, led: tuple[Key, datetime] | None) -> Condition | None:
    if "namespace" not in case.observed.status.get("move", {}).get("to", {}):
        return None
    if led:
        said = (
            f"its name leads here again; the way to {led[0]} closes once nobody can have been told that name any more"
        )
        return _condition(State.UNKNOWN, Reason.REDIRECTING_ENDPOINT, said)
    return _condition(State.TRUE, Reason.AT_DESTINATION, f"stands in namespace {case.namespace}")


def _condition(state: State, reason: Reason, said: str) -> Condition:
    return Condition(Type.RELOCATED, state, reason, said)
