"""What stands of a move: the copy and its volume, the door before both servers, and what is left behind."""

from __future__ import annotations

from datetime import datetime, timedelta

from freehold.api.v1alpha1.database import Database, DeletionPolicy
from freehold.core.database import statefulset, topology, volume
from freehold.core.database.instance import Seat, data_on
from freehold.core.database.topology import Seats
from freehold.core.model.case import Case
from freehold.core.model.quantities import duration
from freehold.core.model.resources import Object, Observed, Ref
from freehold.core.objects import meta, names
from freehold.core.relocation import workloads

CAPABILITY = "relocation"
DOOR_STAYS = timedelta(seconds=10)
"""After the switch: until every node leads the database's clients to its new server."""


def standing(case: Case, database: Database, every: Seats) -> tuple[Object, ...]:
    """The server at the destination with its volume, and, where the one before is here too, the door to both."""
    to = every.next
    assert to
    claim = volume.claim(case, database, to, CAPABILITY, said(every.owner, to))
    server = statefulset.statefulset(case, database, to, CAPABILITY)
    if every.owner.abroad:
        return claim, server
    return claim, server, workloads.door(case, database, every.owner, to, CAPABILITY)


def said(now: Seat, to: Seat) -> dict[str, str]:
    """What the claim of the next owner says: that it has not owned this data yet, or when it last did."""
    return {meta.TURN: str(to.turn), meta.DATA: data_on(now.claim) if now.claim else ""}


def left_behind(case: Case, database: Database, every: Seats) -> tuple[Object, ...]:
    """The servers that are kept as a way back, and follow the one that owns the data."""
    return tuple(statefulset.statefulset(case, database, seat, CAPABILITY) for seat in every.kept)


def kept(case: Case, every: Seats, more: frozenset[Ref]) -> frozenset[Ref]:
    """What stays as it is: the owner, the way back and more, as far as this capability made it and no other took it."""
    servers = frozenset(ref for seat in (every.owner, *every.kept) for ref in topology.refs(case.service, seat))
    return frozenset(ref for ref in servers | more if _is_ours(case.observed, ref))


def _is_ours(observed: Observed, ref: Ref) -> bool:
    labels = observed.objects.get(ref, {}).get("metadata", {}).get("labels", {})
    return bool(labels.get(meta.CAPABILITY) == CAPABILITY)


def standing_door(case: Case, every: Seats) -> frozenset[Ref]:
    """The door stays as long as anybody may be led to it, whatever a move waits for."""
    turned = every.owner.annotation(meta.TURNED_AT)
    fresh = bool(turned) and case.observed.now < datetime.fromisoformat(turned) + DOOR_STAYS
    stays = topology.is_led_through_door(case) or (every.next is None and fresh)
    return frozenset({Ref("StatefulSet", names.door(case.name))}) if stays else frozenset()


def discarded(database: Database, every: Seats) -> frozenset[Ref]:
    """Volumes that nobody needs: copies that never owned the data, and, with Delete, what was left after its time."""
    gone = [seat for seat in every.over if not seat.turn or database.deletion_policy is DeletionPolicy.DELETE]
    claims = (seat.claim for seat in gone if seat.claim)
    named = (c["metadata"]["name"] for c in claims if "deletionTimestamp" not in c["metadata"])
    return frozenset(Ref("PersistentVolumeClaim", name) for name in named)


def again(case: Case, every: Seats) -> float | None:
    """When time alone makes something due: the door, the way back, or the end of patience."""
    moments = [topology.way_back_until(case.service, every.owner)] if every.kept else []
    turned = every.owner.annotation(meta.TURNED_AT)
    if turned and topology.door(case):
        moments.append(datetime.fromisoformat(turned) + DOOR_STAYS)
    if every.next and (since := begun(every.next)):
        moments.append(since + duration(case.spec.placement.give_up_after))
    waits = [
        (moment - case.observed.now).total_seconds() for moment in moments if moment and moment > case.observed.now
    ]
    return min(waits, default=None)


def begun(to: Seat) -> datetime | None:
    """When the copy was asked for; a way back that is there already was not."""
    since = (to.claim or {}).get("metadata", {}).get("creationTimestamp") if not to.turn else None
    return datetime.fromisoformat(since) if since else None
