"""Status: what the capabilities say, folded into one answer to "is it well, where is it reached".

Conditions follow the API conventions: a list keyed by type, a reason for programs, a message for people,
observedGeneration, and a transition time that moves only when the status does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Event, Reason, State, Type, blocks_ready
from freehold.core.model.resources import Ref
from freehold.core.objects import meta, names

PROGRESS_SOONEST, PROGRESS_LATEST = timedelta(seconds=10), timedelta(seconds=30)
"""A resource that is merely under way says so after 10 seconds, and then ever less often, down to every 30 seconds, so
that a start of usual length takes few writes. What needs somebody, or is done, is said at once."""
ITS_OWN = {Reason.INVALID_SPEC, Reason.NAME_TAKEN, Reason.CLUSTER_REFUSED}
"""What Ready says of itself, where the others repeat what another condition says."""
Status = dict[str, Any]


def ready(conditions: Iterable[Condition]) -> Condition:
    """Ready is true when all else is; otherwise it repeats the first that needs somebody, or else that is awaited.

    A proof that is still to come is not awaited, and what hinders nothing its owner weighs (`conditions.counts`).
    """
    listed = [c for c in conditions if blocks_ready(c)]
    unmet = [c for c in listed if c.state is not State.TRUE]
    if not unmet:
        return Condition(Type.READY, State.TRUE, Reason.READY, f"{len(listed)} of {len(listed)} conditions are met")
    first = next((c for c in unmet if c.state is State.FALSE), unmet[0])
    count = f"{len(unmet)} of {len(listed)} conditions {'is' if len(unmet) == 1 else 'are'} not met"
    return Condition(Type.READY, State.FALSE, first.reason, f"{count}; {first.type}: {first.message}")


def build(case: Case, conditions: Iterable[Condition], more: Mapping[str, Any] | None = None) -> Status:
    """The status of a service, Ready first among its conditions. more: what capabilities add to it."""
    spec, labels = case.spec, meta.selector(case.name, meta.SERVICE)
    port = spec.grpc.port if spec.grpc else spec.http.port if spec.http else 0
    shown: Status = {
        "observedGeneration": case.service.generation,
        "replicas": _replicas(case),
        "selector": ",".join([*(f"{k}={v}" for k, v in labels.items()), f"!{meta.PROBE}"]),
        "endpoint": names.endpoint(case.key, port),
        "conditions": entries(conditions, case.service.generation, case.observed.status, case.observed.now),
        **(more or {}),
    }
    if spec.database:
        shown["binding"] = {"name": names.database(case.name)}
        shown["database"] = f"{spec.database.engine} {spec.database.version}, {spec.database.storage.size}"
    if spec.consumes:
        shown["consumes"] = ", ".join(consumed.name for consumed in spec.consumes)
    return shown


def entries(conditions: Iterable[Condition], generation: int, before: Mapping[str, Any], now: datetime) -> list[Status]:
    """Conditions as the API shows them; the transition time of one that did not turn is carried over."""
    known = _by_type(before)

    def entry(condition: Condition) -> Status:
        was = known.get(condition.type, {})
        turned = was.get("status") != condition.state
        return {
            "type": condition.type.value,
            "status": condition.state.value,
            "reason": condition.reason.value,
            "message": condition.message,
            "lastTransitionTime": now.strftime("%Y-%m-%dT%H:%M:%SZ") if turned else was["lastTransitionTime"],
            "observedGeneration": generation,
        }

    return [entry(condition) for condition in conditions]


def pause(before: Mapping[str, Any], wanted: Status, now: datetime) -> float:
    """Seconds until a new status is worth a write: none when something turned that a person waits for."""
    same_shape = set(_by_type(before)) == set(_by_type(wanted))
    if not same_shape or before.get("observedGeneration") != wanted["observedGeneration"]:
        return 0.0
    if _urgent(before) != _urgent(wanted) or before.get("isolation") != wanted.get("isolation"):
        return 0.0
    last = max(_time(entry["lastTransitionTime"]) for entry in before["conditions"])
    so_far = last - _time(_by_type(before)[Type.READY]["lastTransitionTime"])
    gap = min(max(PROGRESS_SOONEST, 2 * so_far), PROGRESS_LATEST)
    return max(0.0, (last + gap - now).total_seconds())


def events(before: Mapping[str, Any], wanted: Status) -> tuple[Event, ...]:
    """A line for what now needs somebody, for what was put right or accepted, and for the service becoming ready."""
    known = _by_type(before)
    lines = []
    for kind, entry in _by_type(wanted).items():
        was = known.get(kind, {"status": State.UNKNOWN, "reason": ""})
        needs, needed = entry["status"] == State.FALSE, was["status"] == State.FALSE
        accepted = entry["reason"] == Reason.CONTRACT_ACCEPTED and was.get("message") != entry["message"]
        note = entry["message"] if kind == Type.READY else f"{kind}: {entry['message']}"
        if kind == Type.READY and _only(wanted):
            lines.append(Event("Warning", entry["reason"], note))
        elif kind == Type.READY and not needs and was["status"] != entry["status"]:
            lines.append(Event("Normal", entry["reason"], note))
        elif kind != Type.READY and (accepted or (needs and (not needed or was["reason"] != entry["reason"]))):
            lines.append(Event("Warning", entry["reason"], note))
        elif kind != Type.READY and ((needed and not needs) or (_is_step(entry) and was["reason"] != entry["reason"])):
            lines.append(Event("Normal", entry["reason"], note))
    return tuple(lines)


def _is_step(entry: Status) -> bool:
    """Whether each reason is a step that people follow."""
    return bool(entry["type"] == Type.RELOCATED)


def _only(wanted: Status) -> bool:
    """Whether Ready alone says what is wrong, because the capabilities could not be asked or not be heeded."""
    return _by_type(wanted)[Type.READY]["reason"] in ITS_OWN


def _urgent(written: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """What a person waits for: whether it is ready, and everything that needs somebody."""

    def said(kind: str, entry: Status) -> str:
        if kind == Type.READY and entry["reason"] not in ITS_OWN:
            return ""  # it repeats another condition
        return str(entry["reason"] if _is_step(entry) else entry["message"])

    return {
        kind: (entry["status"], said(kind, entry))
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
