"""Relocation: a service is picked up with its database and put somewhere else, and nobody notices.

A server at the destination makes itself from the one that owns the data and follows it; clients are led through a door;
the service's pods go ahead; then the two servers change places, and the one that was left follows the other: the way
back. Every step is read off what is there, so whoever is lost on the way, the next look goes on from where it stands.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from freehold.api.database import Database, DeletionPolicy
from freehold.core import gates, meta, mover, moves, names, pods, seats, servers, volume
from freehold.core.conditions import Reason
from freehold.core.model import Object, Observed, Plan, Ref, Service
from freehold.core.moves import Step
from freehold.core.quantity import duration
from freehold.core.seats import Seat, Seats

CAPABILITY = "relocation"
DOOR_STAYS = timedelta(seconds=10)
"""After the switch: until every node leads the database's clients to its new server."""


def desired(service: Service, observed: Observed) -> Plan:
    """The next owner of the data and what brings it there; the one before, as long as it is the way back."""
    database = service.spec.database
    if database is None:
        return Plan(CAPABILITY, ())
    if Ref("Secret", names.server_secret(service.name)) not in observed.objects:
        return Plan(CAPABILITY, (), keep=frozenset(observed.objects))  # what is under way goes on as it is
    every = seats.look(service, observed)
    step = _step(service, database, observed, every)
    kept = tuple(_follower(service, database, observed, every, seat) for seat in every.kept)
    servers_kept = frozenset(ref for seat in (every.owner, *every.kept) for ref in seats.refs(service, seat))
    keep = servers_kept | _tries(service, observed, every) | _standing_door(service, observed, every)
    shown = moves.shown(service, observed, every, step)
    objects = (*kept, *(step.objects if step else ()))
    return Plan(
        CAPABILITY,
        objects,
        moves.condition(service, observed, every, step),
        frozenset(ref for ref in keep if _is_ours(observed, ref)),
        _discarded(database, every),
        {"move": shown} if shown else {},
        _again(service, observed, every, step),
    )


def _is_ours(observed: Observed, ref: Ref) -> bool:
    """Whether this capability made an object, and no other has taken it over since."""
    labels = observed.objects.get(ref, {}).get("metadata", {}).get("labels", {})
    return bool(labels.get(meta.CAPABILITY) == CAPABILITY)


def _step(service: Service, database: Database, observed: Observed, every: Seats) -> Step | None:
    """The step that is under way; None where nothing moves."""
    if every.next is None:
        return None
    blocked = every.next.server is None and _obstacle(service, database, observed)
    if blocked:
        return Step(Reason.MOVE_BLOCKED, f"{blocked}; it stays {moves.at(every.owner)} meanwhile", again=30)
    if seats.is_paused(service) and every.next.server is None:
        return Step(Reason.MOVE_PAUSED, f"not begun; {moves.resume(service)}")
    done = [*mover.switches(service, observed, every.owner, every.next)]
    if done and done[-1].moved:
        return _turned(service, database, observed, every, done[-1])
    objects = _standing(service, database, observed, every)
    if done and done[-1].discard:
        said = f"{done[-1].said}; the copy is of no use any more and is made anew"
        return Step(Reason.COPYING, said, objects[-1:])  # but for the door, where clients may be
    if _is_late(service, observed, every.next) and not (done and done[-1].ended is None):
        limit = service.spec.placement.give_up_after
        said = f"not there after {limit} (spec.placement.giveUpAfter); it stays {moves.at(every.owner)}"
        return Step(Reason.MOVE_GAVE_UP, f"{said}; to try again, take the edit back and make it anew", objects)
    return _under_way(service, observed, every, done, objects)


def _obstacle(service: Service, database: Database, observed: Observed) -> str:
    """Why a move cannot begin, and the way out."""
    if not observed.secrets_granted:
        return gates.secrets_not_granted(service, observed)
    if not observed.platform.operator_image:
        return "the operator was not told its own image (FREEHOLD_IMAGE), from which what moves the data runs"
    if trouble := volume.class_trouble(database, observed):
        return trouble.message
    if not gates.database_ready(service, observed):
        return "the database is not ready; it moves once it is"
    return ""


def _standing(service: Service, database: Database, observed: Observed, every: Seats) -> tuple[Object, ...]:
    """The server at the destination with its volume, and the door."""
    to = every.next
    assert to
    claim = volume.claim(service, database, observed, to, CAPABILITY, _said(every.owner, to))
    return (
        claim,
        _follower(service, database, observed, every, to),
        mover.door(service, observed, every.owner, to, CAPABILITY),
    )


def _follower(service: Service, database: Database, observed: Observed, every: Seats, seat: Seat) -> Object:
    host = names.seat_host(service.name, service.namespace, every.owner.number)
    return servers.server(service, database, observed, seat, CAPABILITY, f"{host}@{every.owner.turn}")


def _said(now: Seat, to: Seat) -> dict[str, str]:
    """What the claim of the next owner says: that it has not owned this data yet, or when it last did."""
    return {meta.TURN: str(to.turn), meta.DATA: gates.data_on(now.claim) if now.claim else ""}


def _turned(service: Service, database: Database, observed: Observed, every: Seats, done: mover.Switch) -> Step:
    """It has taken over: its claim says so from now on, and with it everything else follows."""
    to = every.next
    assert to
    turned = {
        **_said(every.owner, to),
        meta.TURN: str(every.owner.turn + 1),
        meta.TURNED_AT: moves.stamp(done.ended or observed.now),
        meta.PAUSE: str(done.pause or 0),
    }
    _, *others = _standing(service, database, observed, every)
    claim = volume.claim(service, database, observed, to, CAPABILITY, turned)
    return Step(Reason.SWITCHING, "the server at the destination has taken over", (claim, *others))


def _under_way(
    service: Service, observed: Observed, every: Seats, done: list[mover.Switch], objects: tuple[Object, ...]
) -> Step:
    to = every.next
    assert to
    if not seats.serves(to):
        return _copying(service, observed, to, objects)
    if seats.is_paused(service) and not (done and done[-1].ended is None):
        return Step(Reason.MOVE_PAUSED, f"the copy follows closely; {moves.resume(service)}", objects)
    if not seats.is_led_through_door(service, observed):
        said = "the copy follows closely; a door is put before both servers"
        return Step(Reason.CATCHING_UP, said + _trouble_of(observed, mover.DOOR), objects)
    if waits := _pods_on_the_way(service, observed):
        return Step(Reason.MOVING_PODS, waits, objects)
    if not gates.migrated(service, observed) or _migrating(observed):
        said = "the copy follows closely; the switch waits until the migrations are in"
        return Step(Reason.WAITING_FOR_MIGRATIONS, said, objects)
    return _switching(service, observed, every, done, objects)


def _copying(service: Service, observed: Observed, to: Seat, objects: tuple[Object, ...]) -> Step:
    trouble = pods.trouble(seats.server_pods(service, observed, to), observed)
    copied, whole = observed.door.get("copied", 0), observed.door.get("toCopy", 0)
    if trouble:
        return Step(Reason.COPYING, f"{trouble.message}; it goes on by itself once that is put right", objects)
    if copied and whole and copied < whole:
        return Step(
            Reason.COPYING,
            f"{moves.megabytes(copied)} of {moves.megabytes(whole)} copied{_left(observed, to)}",
            objects,
        )
    said = f"{names.seat(service.name, to.number)} makes itself from the server that owns the data"
    return Step(Reason.CATCHING_UP if copied else Reason.COPYING, said, objects)


def _trouble_of(observed: Observed, role: str) -> str:
    """What keeps what moves the data from doing so."""
    mine = [pod for pod in observed.pods if pod["metadata"]["labels"].get(meta.ROLE) == role]
    found = pods.trouble(mine, observed)
    return f"; {found.message}" if found else ""


def _left(observed: Observed, to: Seat) -> str:
    """An estimate of what is left of the copying, by how long it took so far."""
    begun = (to.server or {}).get("metadata", {}).get("creationTimestamp")
    copied, whole = observed.door.get("copied", 0), observed.door.get("toCopy", 0)
    if not begun or not copied:
        return ""
    so_far = (observed.now - datetime.fromisoformat(begun)).total_seconds()
    return f", about {max(1, round(so_far * (whole - copied) / copied))} s left"


def _pods_on_the_way(service: Service, observed: Observed) -> str:
    """What is awaited of the service's pods; empty once all of them serve at the destination."""
    live = observed.objects.get(Ref("Deployment", service.name))
    if live is None:
        return ""
    status, wanted = live.get("status", {}), live.get("spec", {}).get("replicas", 0)
    there = live.get("spec", {}).get("template", {}).get("spec", {}).get("nodeSelector", {})
    settled = (
        there == seats.pods_nodes(service, observed)
        and status.get("observedGeneration") == live["metadata"].get("generation")
        and status.get("updatedReplicas", 0)
        == status.get("replicas", 0)
        == wanted
        == status.get("availableReplicas", 0)
    )
    return "" if settled else "the copy follows closely; the service's pods start at the destination"


def _migrating(observed: Observed) -> bool:
    return any(pods.is_running(pod) for pod in pods.component_pods(observed, meta.MIGRATIONS))


def _switching(
    service: Service, observed: Observed, every: Seats, done: list[mover.Switch], objects: tuple[Object, ...]
) -> Step:
    """One try after another; what became of one is known only from its own words."""
    to, last = every.next, done[-1] if done else None
    assert to
    if last and last.ended is None:
        return Step(Reason.SWITCHING, "the two servers change places" + _trouble_of(observed, mover.SWITCH), objects)
    if last and len(done) == mover.SWITCHES:
        said = last.said or "the switch left no word of what became of it"
        return Step(Reason.SWITCH_FAILED, f"{said}; tried {len(done)} times; {moves.try_again(service)}", objects)
    since = (observed.now - last.ended).total_seconds() if last and last.ended and last.said else mover.BETWEEN_SECONDS
    if last and since < mover.BETWEEN_SECONDS:
        said = f"{last.said}; it is tried again"
        return Step(Reason.SWITCHING, said, objects, mover.BETWEEN_SECONDS - since)
    name = mover.next_switch(service, every.owner, to, len(done))
    job = mover.switch(service, observed, every.owner, to, name, CAPABILITY)
    return Step(Reason.SWITCHING, "the two servers change places", (*objects, job))


def _tries(service: Service, observed: Observed, every: Seats) -> frozenset[Ref]:
    """The Jobs of the switch that is due; they are the record of what became of each."""
    if every.next is None:
        return frozenset()
    return frozenset(Ref("Job", done.name) for done in mover.switches(service, observed, every.owner, every.next))


def _standing_door(service: Service, observed: Observed, every: Seats) -> frozenset[Ref]:
    """The door stays as long as anybody may be led to it."""
    turned = every.owner.annotation(meta.TURNED_AT)
    fresh = bool(turned) and observed.now < datetime.fromisoformat(turned) + DOOR_STAYS
    stays = every.next is None and (fresh or seats.is_led_through_door(service, observed))
    return frozenset({Ref("StatefulSet", names.door(service.name))}) if stays else frozenset()


def _discarded(database: Database, every: Seats) -> frozenset[Ref]:
    """Volumes that nobody needs: copies that never owned the data, and, with Delete, what was left after its time."""
    gone = [seat for seat in every.over if not seat.turn or database.deletion_policy is DeletionPolicy.DELETE]
    claims = (seat.claim for seat in gone if seat.claim)
    named = (c["metadata"]["name"] for c in claims if "deletionTimestamp" not in c["metadata"])
    return frozenset(Ref("PersistentVolumeClaim", name) for name in named)


def _again(service: Service, observed: Observed, every: Seats, step: Step | None) -> float | None:
    """When time alone makes something due: the door, the way back, or the end of patience."""
    moments = [seats.way_back_until(service, every.owner)] if every.kept else []
    turned = every.owner.annotation(meta.TURNED_AT)
    if turned and seats.door(service, observed):
        moments.append(datetime.fromisoformat(turned) + DOOR_STAYS)
    if every.next and (begun := _begun(every.next)):
        moments.append(begun + duration(service.spec.placement.give_up_after))
    waits = [(moment - observed.now).total_seconds() for moment in moments if moment and moment > observed.now]
    if step and step.again is not None:
        waits.append(step.again)
    return min(waits, default=None)


def _begun(to: Seat) -> datetime | None:
    """When the copy was asked for; a way back that is there already was not."""
    begun = (to.claim or {}).get("metadata", {}).get("creationTimestamp") if not to.turn else None
    return datetime.fromisoformat(begun) if begun else None


def _is_late(service: Service, observed: Observed, to: Seat) -> bool:
    begun = _begun(to)
    return begun is not None and observed.now > begun + duration(service.spec.placement.give_up_after)
