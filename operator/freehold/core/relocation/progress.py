"""What is said of a move: its condition, and how the status shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from freehold.core.database import topology
from freehold.core.database.copy_status import copied, told
from freehold.core.database.instance import Seat
from freehold.core.database.topology import Seats
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


def condition(case: Case, every: Seats, step: Step | None) -> Condition | None:
    if step:
        needs = step.reason in (Reason.MOVE_BLOCKED, Reason.SWITCH_FAILED, Reason.MOVE_GAVE_UP)
        return Condition(Type.RELOCATED, State.FALSE if needs else State.UNKNOWN, step.reason, step.message)
    last = case.observed.status.get("move", {})
    if topology.is_elsewhere(case):
        said = f"the move to {topology.wanted(case.service)} was given up; it stays {at(every.owner)}"
        hint = "to try again, take the edit back and make it anew"
        return Condition(Type.RELOCATED, State.FALSE, Reason.MOVE_GAVE_UP, f"{said}; {hint}")
    turned = every.owner.annotation(meta.TURNED_AT)
    if not turned:
        return Condition(Type.RELOCATED, State.TRUE, Reason.IN_PLACE, f"stands {at(every.owner)}") if last else None
    way_back = _way_back(case.service, every)
    pause = int(every.owner.annotation(meta.PAUSE) or 0) / 1000
    said = f"stands {at(every.owner)} since {turned}, writes paused {pause:.2f} s{way_back}"
    return Condition(Type.RELOCATED, State.TRUE, Reason.MOVED, said)


def _way_back(service: Service, every: Seats) -> str:
    until = topology.way_back_until(service, every.owner)
    if not every.kept or not until:
        return ""
    return f"; {names.seat(service.name, every.kept[-1].number)} follows it as the way back until {timestamp(until)}"


def shown(case: Case, every: Seats, step: Step | None) -> Mapping[str, Any]:
    """The last move as the status shows it."""
    last = {key: value for key, value in case.observed.status.get("move", {}).items() if key != "lagBytes"}
    if step is None or every.next is None:
        return last if topology.is_elsewhere(case) else _ended(case.service, every, last)
    to = every.next
    begun = (to.server or {}).get("metadata", {}).get("creationTimestamp")
    same = last if last.get("to") == topology.destination(case) and "switchedAt" not in last else {}
    return {
        **copied(same),
        "from": every.owner.shown(),
        "to": topology.destination(case),
        "step": step.reason.value,
        "server": names.seat(case.name, to.number),
        **({"startedAt": begun} if begun else {}),
        **told(case.observed),
    }


def _ended(service: Service, every: Seats, last: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the owner's claim says of the last move; where it was never moved, what became of the one that was begun."""
    turned, until = every.owner.annotation(meta.TURNED_AT), topology.way_back_until(service, every.owner)
    server = names.seat(service.name, every.owner.number)
    if not turned or not until:
        here = every.owner.place.shown()
        return {"from": here, "to": here, "step": Reason.IN_PLACE.value, "server": server} if last else last
    known = last if last.get("server") == server else {}
    left = every.kept[-1] if every.kept else every.owner
    return {
        "from": left.place.shown(),
        "to": topology.wanted(service).shown(),
        **{key: value for key, value in known.items() if key != "wayBackUntil"},
        "step": Reason.MOVED.value,
        "server": server,
        "pauseMs": int(every.owner.annotation(meta.PAUSE) or 0),
        "switchedAt": turned,
        **({"wayBackUntil": timestamp(until)} if every.kept else {}),
    }


def at(seat: Seat) -> str:
    return f"at {seat.place}"


def resume(service: Service) -> str:
    return f"annotation {meta.MOVE} holds it; kubectl freehold move {service.name} --resume goes on"


def try_again(service: Service) -> str:
    return (
        f"to try again, take the edit back and make it anew, or keep it: kubectl freehold move {service.name} --abort"
    )


def megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB"
