"""Seats: the servers a service's data may stand on, and whose it is.

A seat is a server with a volume of its own. One owns the data; during a move another is made from it and, for a stated
time afterwards, the one before follows the new one. The claims say who owns: each move gives its destination the next
turn, in one write, and the highest has it. A claim outlives its resource, and so does the answer. Of a move to another
namespace each side sees the seats of both.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from freehold.core.database import switchover_jobs
from freehold.core.database.instance import FIRST, Place, Seat, as_nodes, data_on, follows, found
from freehold.core.model import remote
from freehold.core.model.case import Case, fact
from freehold.core.model.conditions import Reason
from freehold.core.model.quantities import duration
from freehold.core.model.resources import Key, Object, Ref, Service
from freehold.core.objects import meta, names, pods
from freehold.core.peers import counterpart

PAUSED = "Paused"


class Seats(NamedTuple):
    """The owner, the one that is to own next, those kept as a way back, and those that nobody needs any more."""

    owner: Seat
    next: Seat | None
    kept: tuple[Seat, ...]
    over: tuple[Seat, ...]


@fact
def owner(case: Case) -> Seat:
    """The server that holds the data, or will, where there is none yet."""
    owned = [seat for seat in (*_own(case), *_others(case)) if seat.turn]
    return max(owned, key=lambda seat: seat.turn, default=Seat(FIRST))


@fact
def awaited_from(case: Case) -> Key | None:
    """Whose data it is to have, and has not yet: it begins with none of its own."""
    whence = remote.whence(case.spec.placement, case.namespace)
    former = Key(whence, case.name) if whence else None
    peer = case.observed.peers.get(former) if former else None
    owns = any(seat.turn for seat in _own(case))
    return former if peer and peer.database and not owns else None


def gone_to(case: Case) -> str:
    """The namespace that the data went to, where it is not seen any more; what is here is what was left behind."""
    now = owner(case)
    return "" if now.abroad else now.annotation(meta.CEDED)


@fact
def unlike(case: Case) -> str:
    """Why it cannot take over the other side's data: there is some here. Empty where nothing hinders."""
    if counterpart.partner(case) is None:
        return ""
    own, others = _newest(_own(case)), _newest(_abroad(case))
    if not (own and others) or data_on(own) == data_on(others):
        return ""
    claim = own["metadata"]
    return f"volume claim {claim['name']} in namespace {claim['namespace']} holds data already; delete what is not used"


def wanted(service: Service) -> Place:
    """Where the resource wants its service to stand."""
    database = service.spec.database
    return Place(as_nodes(service.spec.placement.node_selector), database.storage.class_name if database else None)


@fact
def is_elsewhere(case: Case) -> bool:
    """Whether the data stands somewhere else than is wanted; where there is none yet, it just begins there."""
    now = owner(case)
    if now.abroad:
        return counterpart.is_to_have_it(case)
    return bool(now.holds_data and now.server and "spec" in now.server) and not wanted(case.service).holds(now)


@fact
def is_leaving(case: Case) -> bool:
    """Whether the other side is to take over the data that is here."""
    paired = bool(_partner(case)) and not owner(case).abroad
    return paired and not counterpart.is_to_have_it(case)


def destination(case: Case) -> Object:
    """Where it moves to, as the resource's status shows it."""
    abroad = {"namespace": case.namespace} if owner(case).abroad else {}
    return {**wanted(case.service).shown(), **abroad}


@fact
def is_moving(case: Case) -> bool:
    """Whether it is to go there; a move that was given up is begun again only when another place is wanted."""
    last = case.observed.status.get("move", {})
    gave_up = last.get("step") == Reason.MOVE_GAVE_UP and last.get("to") == destination(case)
    return is_elsewhere(case) and not gave_up and not is_leaving(case)


def is_paused(case: Case) -> bool:
    """Whether a move is to wait before its next step; either side may say so."""
    other = _partner(case)
    return case.service.annotations.get(meta.MOVE) == PAUSED or bool(
        other and case.observed.peers[other].move == PAUSED
    )


@fact
def look(case: Case) -> Seats:
    """Every seat, by what it is for; of those on the other side the owner, and the one that is to own next, alone."""
    now, own = owner(case), _own(case)
    others = [seat for seat in own if seat != now]
    chosen = _next(case, now, others)
    rest = [seat for seat in others if chosen is None or chosen.abroad or seat.number != chosen.number]
    until = way_back_until(case.service, now)
    kept = [seat for seat in rest if seat.turn and seat.server and until and case.observed.now < until]
    over = [seat for seat in rest if seat not in kept and (seat.server or not seat.turn)]
    return Seats(now, chosen, tuple(kept), tuple(over))


def _next(case: Case, now: Seat, others: list[Seat]) -> Seat | None:
    """A switch that may have been made goes on to its end, whatever is wanted since; what then is elsewhere moves."""
    bound = [seat for seat in others if switchover_jobs.is_bound(case, now, seat)]
    if bound:
        return bound[0]
    if is_leaving(case):
        return next((seat for seat in _others(case) if seat.follows == follows(case.service, now)), None)
    if not is_moving(case):
        return None
    fitting = [seat for seat in others if seat.may_stand_at(wanted(case.service))]
    return max(fitting, key=lambda seat: seat.number, default=None) or Seat(_free(case), 0)


def way_back_until(service: Service, now: Seat) -> datetime | None:
    """Until when the server that was left is kept; None where none was."""
    turned = now.annotation(meta.TURNED_AT)
    return datetime.fromisoformat(turned) + duration(service.spec.placement.way_back) if turned else None


def server_pods(case: Case, seat: Seat) -> list[Object]:
    """The pod of one server, while it is not on its way out; none of one that is not here."""
    if seat.abroad:
        return []
    name = names.seat_pod(case.name, seat.number)
    return [pod for pod in pods.component_pods(case.observed, meta.DATABASE) if pod["metadata"]["name"] == name]


def serves(seat: Seat) -> bool:
    """Whether the server of the newest template serves, or follows closely the one it is made from."""
    status = seat.server.get("status", {}) if seat.server else {}
    return bool(
        seat.server
        and status.get("observedGeneration") == seat.server["metadata"].get("generation")
        and status.get("readyReplicas", 0) >= 1
        and status.get("updatedReplicas", 0) >= 1
    )


def refs(service: Service, seat: Seat) -> frozenset[Ref]:
    """The server and the volume, where they are here."""
    if seat.abroad or not (seat.claim or seat.server):
        return frozenset()
    server, claim = names.seat(service.name, seat.number), names.seat_volume(service.name, seat.number)
    return frozenset({Ref("StatefulSet", server), Ref("PersistentVolumeClaim", claim)})


def door(case: Case) -> Object | None:
    """The StatefulSet that stands before the servers during a move."""
    return case.observed.objects.get(Ref("StatefulSet", names.door(case.name)))


def is_led_through_door(case: Case) -> bool:
    """Whether the clients of the server that owns the data are led to a door before it at this moment."""
    there = case.observed.partner if owner(case).abroad else case.observed.objects
    live = there.get(Ref("Service", names.database(case.name)), {})
    return bool(live.get("spec", {}).get("selector", {}).get(meta.POD_NAME) == names.door_pod(case.name))


@fact
def front(case: Case) -> str:
    """The pod that clients of the database are led to: the server's, or in a move that of the door before both. Where
    the data is not here, only a door leads to it."""
    if owner(case).abroad or awaited_from(case):
        return names.door_pod(case.name)
    next_one, standing = look(case).next, door(case)
    if next_one and standing and not is_paused(case) and serves(next_one):
        opens = bool(standing.get("status", {}).get("readyReplicas"))
        if opens or is_led_through_door(case):
            return names.door_pod(case.name)
    if next_one and is_led_through_door(case):
        return names.door_pod(case.name)  # clients stay where they are, whatever the move waits for
    return names.seat_pod(case.name, owner(case).number)


@fact
def pods_nodes(case: Case) -> dict[str, str]:
    """The labels of the nodes for the service's own pods: they go ahead of the data, once its copy is there."""
    if not case.spec.database or owner(case).abroad or not is_elsewhere(case):
        return dict(wanted(case.service).nodes)
    ahead = is_moving(case) and is_led_through_door(case)
    return dict(wanted(case.service).nodes if ahead else owner(case).place.nodes)


def is_busy(case: Case) -> bool:
    """Whether more than one server, or what moves it, is there or is about to be."""
    servers = [seat for seat in _own(case) if seat.server]
    two = len(servers) > 1 or bool(door(case)) or bool(_partner(case))
    return two or is_moving(case)


@fact
def _own(case: Case) -> tuple[Seat, ...]:
    """Every seat here of which a volume or a server is there."""
    return tuple(found(case.name, case.observed.objects))


@fact
def _others(case: Case) -> tuple[Seat, ...]:
    """Those on the other side, unless either side has data of its own."""
    return () if unlike(case) else _abroad(case)


@fact
def _abroad(case: Case) -> tuple[Seat, ...]:
    other = counterpart.partner(case)
    return tuple(found(case.name, case.observed.partner, other.namespace)) if other else ()


def _partner(case: Case) -> Key | None:
    return None if unlike(case) else counterpart.partner(case)


def _newest(seats: Iterable[Seat]) -> Object | None:
    """The claim of the one that last owned data."""
    owned = [seat for seat in seats if seat.turn and seat.claim]
    return max(owned, key=lambda seat: seat.turn).claim if owned else None


def _free(case: Case) -> int:
    taken = {seat.number for seat in _own(case)}
    return next(number for number in range(FIRST, len(taken) + 2) if number not in taken)
