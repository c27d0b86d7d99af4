"""Whereabouts: what is said of a database whose data is not here, but in another namespace or cluster."""

from __future__ import annotations

from freehold.core.database import topology
from freehold.core.model import remote
from freehold.core.model.case import Case, fact
from freehold.core.model.conditions import Reason, State
from freehold.core.peers import counterpart


@fact
def elsewhere(case: Case) -> tuple[State, Reason, str] | None:
    """None where the data is here, or will begin here."""
    now = topology.owner(case)
    if now.abroad and not counterpart.is_to_have_it(case):
        where = f"the data stands in {remote.told(now.abroad)}"
        if topology.serves(now):
            return State.TRUE, Reason.FORWARDED, where
        return State.UNKNOWN, Reason.STARTING, f"{where}, whose server does not serve at the moment"
    if now.abroad:
        whence = remote.told(now.abroad)
        return State.UNKNOWN, Reason.STARTING, f"the data comes from {whence}, which serves it meanwhile"
    if gone := topology.gone_to(case):
        said = f"the data went to {remote.told(gone)}, and the volume here holds what was left behind"
        edit = f"spec.placement.{remote.edit(gone)} leads this service's name there"
        return State.FALSE, Reason.DATA_ELSEWHERE, f"{said}; {edit}; to begin anew, delete that volume's claim"
    if awaited := topology.awaited_from(case):
        said = f"it is to have the data of {awaited}, and makes none of its own"
        return State.UNKNOWN, Reason.WAITING_FOR_CONSENT, said
    return None
