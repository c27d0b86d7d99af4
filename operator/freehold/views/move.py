"""The state of a move, from the status of a Microservice."""

from __future__ import annotations

from freehold.core.model import remote
from freehold.core.model.conditions import Reason, State, Type
from freehold.core.model.resources import Object

ENDED = (Reason.RELOCATED, Reason.AT_DESTINATION)
"""The steps of a completed and of an aborted move."""


def name(live: Object) -> str:
    """The name of the service."""
    return str(live["metadata"]["name"])


def recorded(live: Object) -> Object:
    """status.move: the last move or the current move; empty before the first move."""
    found: Object = live.get("status", {}).get("move", {})
    return found


def step(live: Object) -> str:
    """The step of the move, a reason of condition Relocated; empty before the first move."""
    return str(recorded(live).get("step", ""))


def is_under_way(live: Object) -> bool:
    """Whether a move was requested and has not ended, blocked moves included."""
    unreachable = condition(live).get("reason") == Reason.CLUSTER_UNKNOWN
    return unreachable or (bool(recorded(live)) and step(live) not in ENDED)


def condition(live: Object) -> Object:
    """Condition Relocated; empty before the first move."""
    conditions: list[Object] = live.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == Type.RELOCATED), {})


def succeeded(live: Object) -> bool | None:
    """True after the move, or without a move; False for a stopped move; None during the move."""
    return {State.FALSE.value: False, State.UNKNOWN.value: None}.get(condition(live).get("status", ""), True)


def other_namespace(live: Object) -> str:
    """The other namespace that the service runs in or moves to, possibly `namespace@cluster`; empty without any."""
    placement, home = live["spec"].get("placement", {}), live["metadata"]["namespace"]
    declared = (
        remote.namespace_in(home, placement["cluster"]) if placement.get("cluster") else placement.get("namespace")
    )
    namespace = str(declared or live.get("status", {}).get("endpointTarget", ""))
    return "" if namespace == home else namespace
