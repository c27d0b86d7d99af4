"""Parting: what the side of a move between namespaces does that the data leaves, or has left.

It puts a door before its server and the copy on the other side, which makes the switch; afterwards its own pods reach
the data through that door, until nobody is led to them any more. Its volume says where the data went.
"""

from __future__ import annotations

from freehold.api.v1alpha1.database import Database
from freehold.core.database import topology, volume
from freehold.core.database.instance import Seat
from freehold.core.database.topology import Seats
from freehold.core.model.case import Case
from freehold.core.model.resources import Observed, Plan
from freehold.core.objects import meta, pods
from freehold.core.relocation import standby, workloads
from freehold.core.relocation.standby import CAPABILITY


def is_due(case: Case, every: Seats) -> bool:
    """Whether the data is to go to the other side, or stays there; a switch on this side ends first."""
    if every.next and not every.next.abroad:
        return False
    return bool(every.owner.abroad) or topology.is_leaving(case)


def plan(case: Case, database: Database, every: Seats) -> Plan:
    """The door, what was left as the way back, and its volume, which says whose the data is."""
    objects = [*standby.left_behind(case, database, every)]
    left = _left(every)
    if left and left.claim and "deletionTimestamp" not in left.claim["metadata"]:
        said = {**standby.said(every.owner, left), meta.CEDED: every.owner.abroad}
        objects.append(volume.claim(case, database, left, CAPABILITY, said))
    keep = standby.standing_door(case, every) if not every.owner.abroad else frozenset()
    if both := _both(case.observed, every, left):
        objects.append(workloads.door(case, database, *both, CAPABILITY))
    kept = standby.kept(case, every, keep)
    again, discarded = standby.again(case, every), standby.discarded(database, every)
    return Plan(CAPABILITY, tuple(objects), None, kept, discarded, again=again)


def _left(every: Seats) -> Seat | None:
    """The server here that the other side's took over from, as long as it is there."""
    if not every.owner.abroad:
        return None
    owned = [seat for seat in (*every.kept, *every.over) if seat.turn]
    return max(owned, key=lambda seat: seat.turn, default=None)


def _both(observed: Observed, every: Seats, left: Seat | None) -> tuple[Seat, Seat] | None:
    """The servers that a door is to stand before; None where nobody needs one."""
    if every.next:
        return every.owner, every.next
    clients = [pod for pod in observed.pods if pods.component_of(pod) in (meta.SERVICE, meta.MIGRATIONS)]
    ended = ("Succeeded", "Failed")
    needed = any(
        meta.PROBE not in pod["metadata"]["labels"] and pod.get("status", {}).get("phase") not in ended
        for pod in clients
    )
    return (left, every.owner) if left and needed else None
