"""Conditions and Events that the controller adds to those of the core."""

from __future__ import annotations

import re

from freehold.core.model.conditions import Condition, Event, Reason, State, Type
from freehold.core.model.findings import Findings
from freehold.core.relocation import standby
from freehold.core.verification.plan import ENFORCE
from freehold.kube.errors import ClusterError, NameTakenError


def policy_event(findings: Findings) -> Event:
    """Return the Event on whether the cluster enforces network policies, for the operator's pod."""
    if findings.unenforced:
        return Event("Warning", Reason.POLICIES_NOT_ENFORCED, f"{'; '.join(findings.unenforced)}; {ENFORCE}")
    canaries = f"{findings.canaries} of {findings.canaries} canaries"
    return Event(
        "Normal", Reason.POLICIES_ENFORCED, f"network policies are enforced: the closed port is closed at {canaries}"
    )


def refusal(error: ClusterError) -> Condition:
    """Return the condition for a refused object: Relocated for an object of a move, else Ready."""
    reason = Reason.NAME_TAKEN if isinstance(error, NameTakenError) else Reason.CLUSTER_REFUSED
    # The API server repeats the whole refused object before the cause.
    cause = re.sub(r"Invalid value: [{\[].*[}\]]: ", "", error.message, flags=re.DOTALL)
    if error.capability == standby.CAPABILITY:
        message = f"{cause}; the service stays at the current location"
        return Condition(Type.RELOCATED, State.FALSE, Reason.MOVE_BLOCKED, message)
    return Condition(Type.READY, State.FALSE, reason, cause)
