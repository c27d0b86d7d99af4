"""Progress of a move: condition Relocated and `status.move`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from freehold.core.database import rollback, topology
from freehold.core.database.copy_status import last_reported, reported
from freehold.core.database.instance import Instance
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.quantities import timestamp
from freehold.core.model.resources import Object, Service
from freehold.core.objects import meta, names

NEEDS_ACTION = (Reason.MOVE_BLOCKED, Reason.SWITCHOVER_FAILED, Reason.MOVE_TIMED_OUT)


class Step(NamedTuple):
    """The current step of a move.

    objects: what the step needs. again: seconds after which to look again.
    """

    reason: Reason
    message: str
    objects: tuple[Object, ...] = ()
    again: float | None = None


def condition(case: Case, step: Step | None) -> Condition | None:
    """Return condition Relocated; None for a service that never moved."""
    if step:
        state = State.FALSE if step.reason in NEEDS_ACTION else State.UNKNOWN
        return Condition(Type.RELOCATED, state, step.reason, step.message)
    primary = topology.primary(case)
    if topology.is_misplaced(case):
        failure = f"the move to {topology.wanted_location(case.service)} timed out"
        message = f"{failure}; {stays(primary)}; to try again, revert the edit and make it again"
        return Condition(Type.RELOCATED, State.FALSE, Reason.MOVE_TIMED_OUT, message)
    promoted = primary.annotation(meta.PROMOTED_AT)
    if promoted:
        pause = int(primary.annotation(meta.WRITE_PAUSE) or 0) / 1000
        message = f"at {primary.location} since {promoted}, writes paused {pause:.2f} s{_rollback_note(case)}"
        reason = Reason.ROLLBACK_UNAVAILABLE if rollback.fault(case) else Reason.RELOCATED
        return Condition(Type.RELOCATED, State.TRUE, reason, message)
    if not case.observed.status.get("move", {}):
        return None
    return Condition(Type.RELOCATED, State.TRUE, Reason.AT_DESTINATION, f"at {primary.location}")


def _rollback_note(case: Case) -> str:
    standbys, until = topology.of(case).rollback_standbys, topology.rollback_until(case)
    if not standbys or not until:
        return ""
    name = names.instance(case.name, standbys[-1].number)
    if cause := rollback.fault(case):
        return f"; no rollback is possible: {cause}; {name} stays until {timestamp(until)}"
    return f"; {name} is the rollback standby until {timestamp(until)}"


def to_status(case: Case, step: Step | None) -> Mapping[str, Any]:
    """Return `status.move`: the move that is under way, or the last one."""
    last = {key: value for key, value in case.observed.status.get("move", {}).items() if key != "lagBytes"}
    state = topology.of(case)
    if step is None or state.candidate is None:
        return last if topology.is_misplaced(case) else _ended(case, last)
    started = (state.candidate.server or {}).get("metadata", {}).get("creationTimestamp")
    same = last if last.get("to") == topology.destination(case) and "switchedOverAt" not in last else {}
    return {
        **last_reported(same),
        "from": state.primary.to_status(),
        "to": topology.destination(case),
        "step": step.reason.value,
        "server": names.instance(case.name, state.candidate.number),
        **({"startedAt": started} if started else {}),
        **reported(case.observed),
    }


def _ended(case: Case, last: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return `status.move` after a move, as the primary's claim records the switchover.

    Without a switchover an aborted move is shown as AtDestination.
    """
    primary, standbys = topology.primary(case), topology.of(case).rollback_standbys
    promoted, until = primary.annotation(meta.PROMOTED_AT), topology.rollback_until(case)
    server = names.instance(case.name, primary.number)
    if not promoted or not until:
        here = primary.location.to_status()
        return {"from": here, "to": here, "step": Reason.AT_DESTINATION.value, "server": server} if last else last
    known = last if last.get("server") == server else {}
    origin = standbys[-1] if standbys else primary
    return {
        "from": origin.location.to_status(),
        "to": topology.wanted_location(case.service).to_status(),
        **{key: value for key, value in known.items() if key != "rollbackUntil"},
        "step": Reason.RELOCATED.value,
        "server": server,
        "writePauseMs": int(primary.annotation(meta.WRITE_PAUSE) or 0),
        "switchedOverAt": promoted,
        **({"rollbackUntil": timestamp(until)} if standbys else {}),
    }


def blocked_by_losses(case: Case, objects: tuple[Object, ...]) -> Step | None:
    """Return the step of a move that would lose something, as the database proxy reports; None without."""
    names = case.observed.copy_progress.get("losses")
    if not names:
        return None
    action = "make it permanent, or remove it (docs/concepts/moves.md, 'What a move carries'); the move then continues"
    message = f"the move would lose {names}; {action}; {stays(topology.primary(case))}"
    return Step(Reason.MOVE_BLOCKED, message, objects)


def stays(primary: Instance) -> str:
    """Return the part of a message on where a service remains."""
    return f"the service stays at {primary.location}"


def resume(service: Service) -> str:
    """Return the part of a message on a paused move."""
    command = f"kubectl freehold move {service.name} -n {service.namespace} --resume"
    return f"annotation {meta.MOVE} pauses the move; to continue: {command}"


def try_again(service: Service) -> str:
    """Return the part of a message on how to repeat or abort a failed move."""
    command = f"kubectl freehold move {service.name} -n {service.namespace} --abort"
    return f"to try again, revert the edit and make it again; to stay: {command}"


def megabytes(count: int) -> str:
    """Return a number of bytes in MB."""
    return f"{count / 1e6:.0f} MB"
