"""Data location: the state of a database with its data in another namespace or cluster."""

from __future__ import annotations

from freehold.core.database import topology
from freehold.core.model import remote
from freehold.core.model.case import Case, fact
from freehold.core.model.conditions import Reason, State
from freehold.core.objects import names
from freehold.core.peers import counterpart


@fact
def data_elsewhere(case: Case) -> tuple[State, Reason, str] | None:
    """Return state, reason and message for DatabaseReady; None for local data, or none yet."""
    primary = topology.primary(case)
    if primary.counterpart and not counterpart.takes_data(case):
        message = f"the data is in {remote.describe(primary.counterpart)}"
        if primary.is_ready:
            return State.TRUE, Reason.REDIRECTED, message
        return State.UNKNOWN, Reason.STARTING, f"{message}; the server there is not ready"
    if primary.counterpart:
        message = f"the data is still in {remote.describe(primary.counterpart)}, which serves until the switchover"
        return State.UNKNOWN, Reason.STARTING, message
    if destination := topology.data_moved_to(case):
        message = f"the data was moved to {remote.describe(destination)}; this volume holds a stale copy"
        follow = f"to follow the data, set spec.placement.{remote.placement_field(destination)}"
        discard = f"to start empty, delete volume claim {names.instance_volume(case.name, primary.number)}"
        return State.FALSE, Reason.DATA_MOVED_AWAY, f"{message}; {follow}; {discard}"
    if origin := topology.awaits_data_from(case):
        message = f"waits for the data of {origin}, and creates none of its own"
        return State.UNKNOWN, Reason.WAITING_FOR_CONSENT, message
    return None
