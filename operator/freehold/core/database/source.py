"""The source of an instance's data: one choice, made here. The engine turns a source into a start."""

from __future__ import annotations

from freehold.core.database import topology
from freehold.core.database.instance import Seat, follows
from freehold.core.engines import New, Source
from freehold.core.model.case import Case


def of(case: Case, seat: Seat) -> Source:
    """The source of an instance: a standby replicates from the primary.

    The primary keeps the source it was made from, if any, after its promotion: a change would restart the server.
    """
    primary = topology.owner(case)
    return (seat.follows or New()) if seat == primary else follows(case.service, primary)
