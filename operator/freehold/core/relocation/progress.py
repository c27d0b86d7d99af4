"""What is said of a move: its condition, and how the status shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from freehold.core.database import topology
from freehold.core.database.copy_status import last_reported, reported
from freehold.core.database.instance import Instance
from freehold.core.database.topology import Topology
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.quantities import timestamp
from freehold.core.model.resources import Object, Service
from freehold.core.objects import meta, names


class Step(NamedTuple):
    """How far a move is, and what is to be there for it to go on."""

    reason: Reason
    message: str
    objects: tuple[Object, ...] = ()
    again: float | None = None


def condition(case: Case, every: Topology, step: Step | None) -> Condition | None:
    if step:
        needs = step.reason in (Reason.MOVE_BLOCKED, Reason.SWITCHOVER_FAILED, Reason.MOVE_TIMED_OUT)
        return Condition(Type.RELOCATED, State.FALSE if needs else State.UNKNOWN, step.reason, step.message)
    last = case.observed.status.get("move", {})
    if topology.is_misplaced(case):
        said = f"the move to {topology.wanted_location(case.service)} was given up; it stays {at(every.primary)}"
        hint = "to try again, take the edit back and make it anew"
        return Condition(Type.RELOCATED, State.FALSE, Reason.MOVE_TIMED_OUT, f"{said}; {hint}")
    turned = every.primary.annotation(meta.PROMOTED_AT)
    if not turned:
        return (
            Condition(Type.RELOCATED, State.TRUE, Reason.AT_DESTINATION, f"stands {at(every.primary)}")
            if last
            else None
        )
    rollback_window = _rollback_note(case.service, every)
    pause = int(every.primary.annotation(meta.WRITE_PAUSE) or 0) / 1000
    said = f"stands {at(every.primary)} since {turned}, writes paused {pause:.2f} s{rollback_window}"
    return Condition(Type.RELOCATED, State.TRUE, Reason.RELOCATED, said)


def _rollback_note(service: Service, every: Topology) -> str:
    until = topology.rollback_until(service, every.primary)
    if not every.rollback_standbys or not until:
        return ""
    return f"; {names.instance(service.name, every.rollback_standbys[-1].number)} follows it as the way back until {timestamp(until)}"


def to_status(case: Case, every: Topology, step: Step | None) -> Mapping[str, Any]:
    """The last move as the status shows it."""
    last = {key: value for key, value in case.observed.status.get("move", {}).items() if key != "lagBytes"}
    if step is None or every.candidate is None:
        return last if topology.is_misplaced(case) else _ended(case.service, every, last)
    to = every.candidate
    begun = (to.server or {}).get("metadata", {}).get("creationTimestamp")
    same = last if last.get("to") == topology.destination(case) and "switchedOverAt" not in last else {}
    return {
        **last_reported(same),
        "from": every.primary.shown(),
        "to": topology.destination(case),
        "step": step.reason.value,
        "server": names.instance(case.name, to.number),
        **({"startedAt": begun} if begun else {}),
        **reported(case.observed),
    }


def _ended(service: Service, every: Topology, last: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the owner's claim says of the last move; where it was never moved, what became of the one that was begun."""
    turned, until = every.primary.annotation(meta.PROMOTED_AT), topology.rollback_until(service, every.primary)
    server = names.instance(service.name, every.primary.number)
    if not turned or not until:
        here = every.primary.place.shown()
        return {"from": here, "to": here, "step": Reason.AT_DESTINATION.value, "server": server} if last else last
    known = last if last.get("server") == server else {}
    left = every.rollback_standbys[-1] if every.rollback_standbys else every.primary
    return {
        "from": left.place.shown(),
        "to": topology.wanted_location(service).shown(),
        **{key: value for key, value in known.items() if key != "rollbackUntil"},
        "step": Reason.RELOCATED.value,
        "server": server,
        "writePauseMs": int(every.primary.annotation(meta.WRITE_PAUSE) or 0),
        "switchedOverAt": turned,
        **({"rollbackUntil": timestamp(until)} if every.rollback_standbys else {}),
    }


def at(instance: Instance) -> str:
    return f"at {instance.place}"


def resume(service: Service) -> str:
    return f"annotation {meta.MOVE} holds it; kubectl freehold move {service.name} --resume goes on"


def try_again(service: Service) -> str:
    return (
        f"to try again, take the edit back and make it anew, or keep it: kubectl freehold move {service.name} --abort"
    )


def megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB"
