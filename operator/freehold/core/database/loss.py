"""Loss of the data: the recorded claim is gone, its volume is, or the volume is empty.

A server never starts on an empty volume instead: a missing claim is not created again, and the start script refuses an
empty volume (`core/engines/postgresql/start.sh`). A person restores the data or accepts the loss.
"""

from __future__ import annotations

from typing import Any

from freehold.core.database import record, topology
from freehold.core.database.record import Record
from freehold.core.model.case import Case, fact
from freehold.core.model.conditions import Reason, State
from freehold.core.objects import jobs, meta

EMPTY = "empty"
"""The outcome that the start script reports for an empty volume."""


@fact
def found(case: Case) -> str:
    """Return what is gone of the recorded data; empty without a loss."""
    known, claim = record.current(case), topology.primary(case).claim
    if known is None or topology.primary(case).counterpart:
        return ""
    held = f"which has held the data since {known.since}"
    if claim is None:
        volume = f", with volume {known.volume}" if known.volume else ""
        return f"volume claim {known.claim}, {held}, is gone{volume}{_other_copies(case)}"
    if claim.get("status", {}).get("phase") == "Lost":
        return f"volume claim {known.claim}, {held}, has lost volume {known.volume}{_other_copies(case)}"
    if any(map(_reports_empty, topology.server_pods(case, topology.primary(case)))):
        return f"the volume of claim {known.claim}, {held}, is empty{_other_copies(case)}"
    return ""


def condition(case: Case) -> tuple[State, Reason, str] | None:
    """Return state, reason and message for DatabaseReady; None without a loss."""
    known, lost = record.current(case), found(case)
    if known is None or not lost:
        return None
    if record.is_accepted(case):
        message = f"{lost}; the loss is accepted; the claim is removed, and an empty one created"
        return State.UNKNOWN, Reason.VOLUME_PENDING, message
    return State.FALSE, Reason.DATA_LOST, f"{lost}; no empty database takes its place; {_action(case, known)}"


def _action(case: Case, known: Record) -> str:
    accept = f"kubectl annotate microservice {case.name} -n {case.namespace} --overwrite"
    restore = f"restore the claim with its labels and data, or, to start empty: {accept}"
    return f"{restore} {meta.ACCEPT_DATA_LOSS}={known.since}"


def _other_copies(case: Case) -> str:
    """Return the part of a message on other claims of the service, which hold earlier or incomplete copies."""
    current = topology.primary(case)
    others = [instance.claim for instance in topology.local_instances(case) if instance != current and instance.claim]
    names = ", ".join(claim["metadata"]["name"] for claim in others)
    return f"; an older or incomplete copy is in {names}" if names else ""


def _reports_empty(pod: dict[str, Any]) -> bool:
    """Return whether the server has last refused to start on an empty volume."""
    statuses = [one for one in pod.get("status", {}).get("containerStatuses", []) if not one.get("started")]
    states = [{"state": one.get(key, {})} for one in statuses for key in ("state", "lastState")]
    return any((jobs.termination_message(state) or {}).get("outcome") == EMPTY for state in states)
