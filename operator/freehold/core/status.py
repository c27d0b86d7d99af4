"""The status of a Microservice: conditions, a Ready summary, the endpoint, and events for changes.

Conditions follow the API conventions: a list keyed by type, a reason for programs, a message for people,
observedGeneration, and a transition time that changes only with the condition's status.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type, blocks_ready
from freehold.core.model.events import Event
from freehold.core.model.resources import Ref
from freehold.core.objects import meta, names

PROGRESS_SOONEST, PROGRESS_LATEST = timedelta(seconds=10), timedelta(seconds=30)
"""Bounds of the pause before mere progress is written; the pause grows with the time in progress, so that a usual start
takes few writes. A fault and a completed step are written at once."""
OWN_REASONS = {Reason.INVALID_SPEC, Reason.NAME_TAKEN, Reason.CLUSTER_REFUSED, Reason.CONTESTED}
"""Reasons of Ready itself; every other reason of Ready repeats another condition."""
RECORDS = ("isolation", "migrations")
"""Results of Jobs in the status: written at once, because the Jobs may be removed by others."""
Status = dict[str, Any]


def ready(conditions: Iterable[Condition]) -> Condition:
    """Return condition Ready: True if all blocking conditions are True.

    Otherwise Ready repeats the first False condition, or else the first Unknown condition. `blocks_ready` decides
    which conditions count.
    """
    listed = [c for c in conditions if blocks_ready(c)]
    unmet = [c for c in listed if c.state is not State.TRUE]
    if not unmet:
        return Condition(Type.READY, State.TRUE, Reason.READY, f"{len(listed)} of {len(listed)} conditions are met")
    first = next((c for c in unmet if c.state is State.FALSE), unmet[0])
    count = f"{len(unmet)} of {len(listed)} conditions {'is' if len(unmet) == 1 else 'are'} not met"
    return Condition(Type.READY, State.FALSE, first.reason, f"{count}; {first.type}: {first.message}")


def build(case: Case, conditions: Iterable[Condition], more: Mapping[str, Any] | None = None) -> Status:
    """The status of a service, with the conditions in the given order. more: fields that capabilities add."""
    spec, labels = case.spec, meta.selector(case.name, meta.SERVICE)
    port = spec.grpc.port if spec.grpc else spec.http.port if spec.http else 0
    status: Status = {
        "observedGeneration": case.service.generation,
        "replicas": _replicas(case),
        "selector": ",".join([*(f"{k}={v}" for k, v in labels.items()), f"!{meta.PROBE}"]),
        "endpoint": names.endpoint(case.key, port),
        "conditions": entries(conditions, case.service.generation, case.observed.status, case.observed.now),
        **(more or {}),
    }
    if spec.database:
        status["binding"] = {"name": names.database(case.name)}
    if database := status.pop("database", None):
        status["database"] = database  # moved, for the order of the API
    if spec.consumes:
        status["consumes"] = ", ".join(consumed.name for consumed in spec.consumes)
    return status


def entries(conditions: Iterable[Condition], generation: int, before: Mapping[str, Any], now: datetime) -> list[Status]:
    """Conditions in API form; the transition time is carried over while the status of a condition is unchanged."""
    known = _by_type(before)

    def entry(condition: Condition) -> Status:
        last = known.get(condition.type, {})
        changed = last.get("status") != condition.state
        return {
            "type": condition.type.value,
            "status": condition.state.value,
            "reason": condition.reason.value,
            "message": condition.message,
            "lastTransitionTime": now.strftime("%Y-%m-%dT%H:%M:%SZ") if changed else last["lastTransitionTime"],
            "observedGeneration": generation,
        }

    return [entry(condition) for condition in conditions]


def pause(before: Mapping[str, Any], wanted: Status, now: datetime) -> float:
    """Return the seconds until a new status is written: 0 for an urgent change, more for mere progress."""
    same_shape = set(_by_type(before)) == set(_by_type(wanted))
    if not same_shape or before.get("observedGeneration") != wanted["observedGeneration"]:
        return 0.0
    if _urgent(before) != _urgent(wanted) or any(before.get(field) != wanted.get(field) for field in RECORDS):
        return 0.0
    last = max(_time(entry["lastTransitionTime"]) for entry in before["conditions"])
    in_progress = last - _time(_by_type(before)[Type.READY]["lastTransitionTime"])
    gap = min(max(PROGRESS_SOONEST, 2 * in_progress), PROGRESS_LATEST)
    return max(0.0, (last + gap - now).total_seconds())


def events(before: Mapping[str, Any], wanted: Status) -> tuple[Event, ...]:
    """Return events for new faults, corrected faults, accepted breaks, steps of a move, and for becoming ready."""
    known, events = _by_type(before), []
    for kind, entry in _by_type(wanted).items():
        note = entry["message"] if kind == Type.READY else f"{kind}: {entry['message']}"
        if event_type := _event_type(entry, known.get(kind, {"status": State.UNKNOWN, "reason": ""})):
            events.append(Event(event_type, entry["reason"], note))
    return tuple(events)


def _event_type(entry: Status, last: Status) -> str | None:
    """Return "Warning" or "Normal" for a condition with an event, None without. last: the condition as last written."""
    fails, failed = entry["status"] == State.FALSE, last["status"] == State.FALSE
    if entry["type"] == Type.READY:
        became_ready = not fails and last["status"] != entry["status"]
        return "Warning" if entry["reason"] in OWN_REASONS else "Normal" if became_ready else None
    accepted = entry["reason"] == Reason.CONTRACT_ACCEPTED and last.get("message") != entry["message"]
    new_reason = last.get("reason") != entry["reason"]
    if accepted or (fails and (not failed or new_reason)):
        return "Warning"
    return "Normal" if (failed and not fails) or (new_reason and _is_step(entry)) else None


def _is_step(entry: Status) -> bool:
    """Return whether each reason of the condition is a step that people follow, as in a move."""
    return bool(entry["type"] == Type.RELOCATED)


def _urgent(written: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """The parts of a status that are written at once: whether the service is ready, faults, and steps of a move."""

    def text(kind: str, entry: Status) -> str:
        if kind == Type.READY and entry["reason"] not in OWN_REASONS:
            return ""  # repeats another condition
        return str(entry["reason"] if _is_step(entry) else entry["message"])

    return {
        kind: (entry["status"], text(kind, entry))
        for kind, entry in _by_type(written).items()
        if kind == Type.READY
        or entry["status"] == State.FALSE
        or entry["reason"] == Reason.CONTRACT_ACCEPTED
        or _is_step(entry)
    }


def _by_type(written: Mapping[str, Any]) -> dict[str, Status]:
    return {entry["type"]: entry for entry in written.get("conditions", [])}


def _replicas(case: Case) -> int:
    live = case.observed.objects.get(Ref("Deployment", case.name), {})
    return int(live.get("status", {}).get("replicas", 0))


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
