"""Seats: the servers a service's data may stand on, and whose it is.

A seat is a server with a volume of its own. One owns the data; during a move another is made from it and, for a stated
time afterwards, the one before follows the new one. The claims say who owns: each move gives its destination the next
turn, in one write, and the highest has it. A claim outlives its resource, and so does the answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from freehold.core import meta, names, pods
from freehold.core.conditions import Reason
from freehold.core.model import Object, Observed, Ref, Service
from freehold.core.quantity import duration

FIRST = 1
PAUSED = "Paused"


class Place(NamedTuple):
    """Where a server stands: the labels of its nodes, and its volume's storage class; None: any will do."""

    nodes: tuple[tuple[str, str], ...]
    class_name: str | None

    def __str__(self) -> str:
        where = ", ".join(f"{key.rpartition('/')[2]}={value}" for key, value in self.nodes) or "any node"
        return f"{where}, class {self.class_name}" if self.class_name else where

    def holds(self, seat: Seat) -> bool:
        """Whether the seat stands there."""
        return self.nodes == seat.place.nodes and self.class_name in (None, seat.place.class_name)

    def shown(self) -> Object:
        """As the resource's status shows it."""
        named = {"className": self.class_name} if self.class_name else {}
        return {"nodeSelector": dict(self.nodes), **named}


class Seat(NamedTuple):
    """A server and its volume, as far as they are there. turn: 0 while it has never owned the data."""

    number: int
    turn: int = 1
    claim: Object | None = None
    server: Object | None = None

    @property
    def place(self) -> Place:
        """Where it stands."""
        template = (self.server or {}).get("spec", {}).get("template", {}).get("spec", {})
        name = (self.claim or {}).get("spec", {}).get("storageClassName")
        return Place(_nodes(template.get("nodeSelector", {})), str(name) if name else None)

    @property
    def holds_data(self) -> bool:
        """Whether there is a volume, so that there may be data."""
        return bool(self.claim and self.claim.get("status", {}).get("phase") == "Bound")

    def may_stand_at(self, place: Place) -> bool:
        """Whether it stands there, or has been begun without a server yet."""
        if self.claim and "deletionTimestamp" in self.claim["metadata"]:
            return False
        begun = not self.server and not self.turn and place.class_name in (None, self.place.class_name)
        return begun or bool(self.server and place.holds(self))

    def annotation(self, key: str) -> str:
        """What its claim is annotated with; empty where it is not."""
        return str((self.claim or {"metadata": {}})["metadata"].get("annotations", {}).get(key, ""))


class Seats(NamedTuple):
    """The owner, the one that is to own next, those kept as a way back, and those that nobody needs any more."""

    owner: Seat
    next: Seat | None
    kept: tuple[Seat, ...]
    over: tuple[Seat, ...]


def owner(service: Service, observed: Observed) -> Seat:
    """The server that holds the data, or will, where there is none yet."""
    return max(_all(service, observed), key=lambda seat: seat.turn, default=Seat(FIRST))


def wanted(service: Service) -> Place:
    """Where the resource wants its service to stand."""
    database = service.spec.database
    return Place(_nodes(service.spec.placement.node_selector), database.storage.class_name if database else None)


def is_elsewhere(service: Service, observed: Observed) -> bool:
    """Whether the data stands somewhere else than is wanted; where there is none yet, it just begins there."""
    now = owner(service, observed)
    return bool(now.holds_data and now.server and "spec" in now.server) and not wanted(service).holds(now)


def is_moving(service: Service, observed: Observed) -> bool:
    """Whether it is to go there; a move that was given up is begun again only when another place is wanted."""
    last = observed.status.get("move", {})
    gave_up = last.get("step") == Reason.MOVE_GAVE_UP and last.get("to") == wanted(service).shown()
    return is_elsewhere(service, observed) and not gave_up


def is_paused(service: Service) -> bool:
    """Whether a move is to wait before its next step."""
    return service.annotations.get(meta.MOVE) == PAUSED


def look(service: Service, observed: Observed) -> Seats:
    """Every seat, by what it is for."""
    now, place = owner(service, observed), wanted(service)
    others = [seat for seat in _all(service, observed) if seat.number != now.number]
    chosen = None
    if is_moving(service, observed):
        fitting = [seat for seat in others if seat.may_stand_at(place)]
        chosen = max(fitting, key=lambda seat: seat.number, default=None) or Seat(_free(service, observed), 0)
    rest = [seat for seat in others if chosen is None or seat.number != chosen.number]
    until = way_back_until(service, now)
    kept = [seat for seat in rest if seat.turn and seat.server and until and observed.now < until]
    over = [seat for seat in rest if seat not in kept and (seat.server or not seat.turn)]
    return Seats(now, chosen, tuple(kept), tuple(over))


def way_back_until(service: Service, now: Seat) -> datetime | None:
    """Until when the server that was left is kept; None where none was."""
    turned = now.annotation(meta.TURNED_AT)
    return datetime.fromisoformat(turned) + duration(service.spec.placement.way_back) if turned else None


def server_pods(service: Service, observed: Observed, seat: Seat) -> list[Object]:
    """The pod of one server, while it is not on its way out."""
    name = names.seat_pod(service.name, seat.number)
    return [pod for pod in pods.component_pods(observed, meta.DATABASE) if pod["metadata"]["name"] == name]


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
    """The server and the volume."""
    server, claim = names.seat(service.name, seat.number), names.seat_volume(service.name, seat.number)
    return frozenset({Ref("StatefulSet", server), Ref("PersistentVolumeClaim", claim)})


def door(service: Service, observed: Observed) -> Object | None:
    """The StatefulSet that stands before the servers during a move."""
    return observed.objects.get(Ref("StatefulSet", names.door(service.name)))


def is_led_through_door(service: Service, observed: Observed) -> bool:
    """Whether clients of the database are led to the door at this moment."""
    live = observed.objects.get(Ref("Service", names.database(service.name)), {})
    return bool(live.get("spec", {}).get("selector", {}).get(meta.POD_NAME) == f"{names.door(service.name)}-0")


def front(service: Service, observed: Observed) -> str:
    """The pod that clients of the database are led to: the server's, or in a move that of the door before both."""
    next_one, standing = look(service, observed).next, door(service, observed)
    if next_one and standing and not is_paused(service) and serves(next_one):
        opens = bool(standing.get("status", {}).get("readyReplicas"))
        if opens or is_led_through_door(service, observed):
            return f"{names.door(service.name)}-0"
    if next_one and is_led_through_door(service, observed):
        return f"{names.door(service.name)}-0"  # clients stay where they are, whatever the move waits for
    return names.seat_pod(service.name, owner(service, observed).number)


def pods_nodes(service: Service, observed: Observed) -> dict[str, str]:
    """The labels of the nodes for the service's own pods: they go ahead of the data, once its copy is there."""
    if not service.spec.database or not is_elsewhere(service, observed):
        return dict(wanted(service).nodes)
    ahead = is_moving(service, observed) and is_led_through_door(service, observed)
    return dict(wanted(service).nodes if ahead else owner(service, observed).place.nodes)


def is_busy(service: Service, observed: Observed) -> bool:
    """Whether more than one server, or what moves it, is there or is about to be."""
    servers = [seat for seat in _all(service, observed) if seat.server]
    return len(servers) > 1 or bool(door(service, observed)) or is_moving(service, observed)


def _all(service: Service, observed: Observed) -> Iterator[Seat]:
    """Every seat of which a volume or a server is there."""
    form = re.compile(rf"{re.escape(names.seat_volume(service.name, FIRST))}(?:-([0-9]+))?")
    server = re.compile(rf"{re.escape(names.seat(service.name, FIRST))}(?:-([0-9]+))?")
    forms = {"PersistentVolumeClaim": form, "StatefulSet": server}
    found = (forms[ref.kind].fullmatch(ref.name) for ref in observed.objects if ref.kind in forms)
    for number in sorted({int(match[1] or FIRST) for match in found if match}):
        claim = observed.objects.get(Ref("PersistentVolumeClaim", names.seat_volume(service.name, number)))
        turn = (claim or {"metadata": {}})["metadata"].get("annotations", {}).get(meta.TURN)
        usual = 1 if number == FIRST else 0
        running = observed.objects.get(Ref("StatefulSet", names.seat(service.name, number)))
        yield Seat(number, int(turn) if turn else usual, claim, running)


def _free(service: Service, observed: Observed) -> int:
    taken = {seat.number for seat in _all(service, observed)}
    return next(number for number in range(FIRST, len(taken) + 2) if number not in taken)


def _nodes(selector: object) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((str(k), str(v)) for k, v in selector.items())) if isinstance(selector, dict) else ()
