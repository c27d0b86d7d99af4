"""Readiness of services, and the conditions that are not met, as data."""

from __future__ import annotations

from collections.abc import Mapping

from freehold.core.model.conditions import NOT_BLOCKING, State, Type
from freehold.core.model.resources import Key, Object

NOT_OBSERVED = "the operator has not observed the last edit yet; if this message remains, check that the operator runs"


def readiness(live: Object) -> State:
    """Readiness for the current generation: True, False (needs a person) or Unknown (in progress)."""
    conditions = {each["type"]: each["status"] for each in _conditions(live)}
    if not is_observed(live):
        return State.UNKNOWN
    if conditions.get(Type.READY) == State.TRUE:
        return State.TRUE
    others = {state for kind, state in conditions.items() if kind not in {Type.READY, *NOT_BLOCKING}}
    return State.UNKNOWN if State.UNKNOWN in others and State.FALSE not in others else State.FALSE


def is_ready(live: Object) -> bool:
    """Whether a service is ready in its current generation."""
    return readiness(live) is State.TRUE


def is_observed(live: Object) -> bool:
    """Whether the status belongs to the current generation."""
    return bool(live.get("status", {}).get("observedGeneration", 0) >= live["metadata"]["generation"])


def unmet(live: Object) -> list[Object]:
    """The conditions with a status other than True; Ready only without any other."""
    found = _unmet(live)
    return [each for each in found if each["type"] != Type.READY] or found


def content(listed: Mapping[Key, Object]) -> Object:
    """The readiness of services as a document."""
    return {"services": [_entry(key, live) for key, live in listed.items()]}


def _entry(key: Key, live: Object) -> Object:
    endpoint = live.get("status", {}).get("endpoint")
    return {"service": str(key), "ready": is_ready(live), "endpoint": endpoint, "unmet": _unmet(live)}


def _conditions(live: Object) -> list[Object]:
    conditions: list[Object] = live.get("status", {}).get("conditions", [])
    return conditions


def _unmet(live: Object) -> list[Object]:
    return [each for each in _conditions(live) if each["status"] != State.TRUE]
