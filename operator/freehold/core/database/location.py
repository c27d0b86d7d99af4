"""Whereabouts: what is said of a database whose data is not here, but in another namespace or cluster."""

from __future__ import annotations

from freehold.core.database import topology
from freehold.core.model import remote
from freehold.core.model.case import Case, fact
from freehold.core.model.conditions import Reason, State
from freehold.core.peers import counterpart


@fact
def data_elsewhere(case: Case) -> tuple[State, Reason, str] | None:
    """None where the data is here, or will begin here."""
    now = topology.primary(case)
    if now.abroad and not counterpart.takes_data(case):
        where = f"the data stands in {remote.describe(now.abroad)}"
        if topology.is_ready(now):
            return State.TRUE, Reason.REDIRECTED, where
        return State.UNKNOWN, Reason.STARTING, f"{where}, whose server does not serve at the moment"
    if now.abroad:
        whence = remote.describe(now.abroad)
        return State.UNKNOWN, Reason.STARTING, f"the data comes from {whence}, which serves it meanwhile"
    if gone := topology.data_moved_to(case):
        said = f"the data went to {remote.describe(gone)}, and the volume here holds what was left behind"
        edit = f"spec.placement.{remote.placement_field(gone)} leads this service's name there"
        return State.FALSE, Reason.DATA_MOVED_AWAY, f"{said}; {edit}; to begin anew, delete that volume's claim"
    if awaited := topology.awaits_data_from(case):
        said = f"it is to have the data of {awaited}, and makes none of its own"
        return State.UNKNOWN, Reason.WAITING_FOR_CONSENT, said
    return None
