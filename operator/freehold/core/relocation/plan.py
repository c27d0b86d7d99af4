"""Relocation: a service is picked up with its database and put somewhere else, and nobody notices.

A server at the destination makes itself from the one that owns the data and follows it; clients are led through a door;
the service's pods go ahead; then the two servers change places, and the one that was left follows the other: the way
back. Every step is read off what is there, so whoever is lost on the way, the next look goes on from where it stands.
"""

from __future__ import annotations

from freehold.api.v1alpha1.database import Database
from freehold.core.database import switchover_jobs, topology, volume
from freehold.core.database.instance import Seat
from freehold.core.database.topology import Seats
from freehold.core.handover import routing
from freehold.core.migrations import applied
from freehold.core.model import grants, quantities, remote
from freehold.core.model.conditions import Reason
from freehold.core.model.quantities import duration
from freehold.core.model.resources import Object, Observed, Plan, Ref, Service
from freehold.core.objects import meta, names, pods
from freehold.core.peers import counterpart
from freehold.core.relocation import backup_check, initial_copy, progress, source_side, standby, workloads
from freehold.core.relocation.progress import Step
from freehold.core.relocation.standby import CAPABILITY


def plan(service: Service, observed: Observed) -> Plan:
    """The next owner of the data and what brings it there; the one before, as long as it is the way back."""
    database = service.spec.database
    if database is None:
        return Plan(CAPABILITY, ())
    if Ref("Secret", names.server_secret(service.name)) not in observed.objects:
        return Plan(CAPABILITY, (), keep=frozenset(observed.objects))  # what is under way goes on as it is
    every = topology.look(service, observed)
    if not every.owner.claim and switchover_jobs.is_under_way(observed.objects):
        return Plan(CAPABILITY, (), keep=frozenset(observed.objects))  # the other side is out of sight meanwhile
    if source_side.is_due(service, observed, every):
        return source_side.plan(service, database, observed, every)
    step = _step(service, database, observed, every)
    left = standby.left_behind(service, database, observed, every)
    keep = _tries(service, observed, every) | standby.standing_door(service, observed, every)
    shown = progress.shown(service, observed, every, step)
    objects = (*left, *(step.objects if step else ()))
    named = routing.is_told_of(service, observed)
    moments = [standby.again(service, observed, every), step.again if step else None]
    return Plan(
        CAPABILITY,
        objects,
        None if named else progress.condition(service, observed, every, step),
        standby.kept(service, observed, every, keep),
        standby.discarded(database, every),
        {"move": shown} if shown and not named else {},
        min((moment for moment in moments if moment is not None), default=None),
    )


def _step(service: Service, database: Database, observed: Observed, every: Seats) -> Step | None:
    """The step that is under way; None where nothing moves."""
    if every.next is None:
        return None
    blocked = every.next.server is None and _obstacle(service, database, observed, every.owner)
    if blocked:
        return Step(Reason.MOVE_BLOCKED, f"{blocked}; it stays {progress.at(every.owner)} meanwhile", again=30)
    if topology.is_paused(service, observed) and every.next.server is None:
        return Step(Reason.MOVE_PAUSED, f"not begun; {progress.resume(service)}")
    done = [*switchover_jobs.tries(service, observed, every.owner, every.next)]
    if done and done[-1].moved:
        return _turned(service, database, observed, every, done[-1])
    objects = standby.standing(service, database, observed, every)
    if done and done[-1].discard:
        said = f"{done[-1].said}; the copy is of no use any more and is made anew"
        return Step(Reason.COPYING, said, objects[2:])  # but for the door, where clients may be
    if _is_late(service, observed, every.next) and not (done and done[-1].ended is None):
        limit = service.spec.placement.give_up_after
        said = f"not there after {limit} (spec.placement.giveUpAfter); it stays {progress.at(every.owner)}"
        return Step(Reason.MOVE_GAVE_UP, f"{said}; to try again, take the edit back and make it anew", objects)
    return _under_way(service, observed, every, done, objects)


def _obstacle(service: Service, database: Database, observed: Observed, now: Seat) -> str:
    """Why a move cannot begin, and the way out."""
    if not observed.secrets_granted:
        return grants.secrets_not_granted(service, observed)
    if not observed.platform.operator_image:
        return "the operator was not told its own image (FREEHOLD_IMAGE), from which what moves the data runs"
    if trouble := volume.class_trouble(database, observed):
        return trouble.message
    if now.abroad and (gone := now.annotation(meta.CEDED)):
        return f"the data went from {remote.told(now.abroad)} to {gone}, where no volume has it any more"
    if mistrust := counterpart.mistrust(service, observed):
        return mistrust
    if too_small := volume.too_small_for(database, now):
        return too_small
    # With clients at the door a move is under way already, and makes its copy anew, or one more after another edit.
    if not topology.is_led_through_door(service, observed) and (asked := backup_check.missing(service, observed, now)):
        return asked
    return "" if topology.serves(now) else "the database is not ready; it moves once it is"


def _turned(
    service: Service, database: Database, observed: Observed, every: Seats, done: switchover_jobs.Switch
) -> Step:
    """It has taken over: its claim says so from now on, and with it everything else follows."""
    to = every.next
    assert to
    turned = {
        **standby.said(every.owner, to),
        meta.TURN: str(every.owner.turn + 1),
        meta.TURNED_AT: quantities.timestamp(done.ended or observed.now),
        meta.PAUSE: str(done.pause or 0),
    }
    _, *others = standby.standing(service, database, observed, every)
    claim = volume.claim(service, database, observed, to, CAPABILITY, turned)
    return Step(Reason.SWITCHING, "the server at the destination has taken over", (claim, *others))


def _under_way(
    service: Service, observed: Observed, every: Seats, done: list[switchover_jobs.Switch], objects: tuple[Object, ...]
) -> Step:
    to = every.next
    assert to
    if not topology.serves(to):
        return initial_copy.step(service, observed, to, objects)
    if topology.is_paused(service, observed) and not (done and done[-1].ended is None):
        return Step(Reason.MOVE_PAUSED, f"the copy follows closely; {progress.resume(service)}", objects)
    if not topology.is_led_through_door(service, observed):
        said = "the copy follows closely; a door is put before both servers"
        return Step(Reason.CATCHING_UP, said + _trouble_of(observed, workloads.DOOR), objects)
    if not every.owner.abroad and (waits := _pods_on_the_way(service, observed)):
        return Step(Reason.MOVING_PODS, waits, objects)
    if _migrating(service, observed, every.owner):
        said = "the copy follows closely; the switch waits until the migrations are in"
        return Step(Reason.WAITING_FOR_MIGRATIONS, said, objects)
    return _switching(service, observed, every, done, objects)


def _trouble_of(observed: Observed, role: str) -> str:
    """What keeps what moves the data from doing so."""
    mine = [pod for pod in observed.pods if pod["metadata"]["labels"].get(meta.ROLE) == role]
    found = pods.trouble(mine, observed)
    return f"; {found.message}" if found else ""


def _pods_on_the_way(service: Service, observed: Observed) -> str:
    """What is awaited of the service's pods; empty once all of them serve at the destination."""
    live = observed.objects.get(Ref("Deployment", service.name))
    if live is None:
        return ""
    status, wanted = live.get("status", {}), live.get("spec", {}).get("replicas", 0)
    there = live.get("spec", {}).get("template", {}).get("spec", {}).get("nodeSelector", {})
    settled = (
        there == topology.pods_nodes(service, observed)
        and status.get("observedGeneration") == live["metadata"].get("generation")
        and status.get("updatedReplicas", 0)
        == status.get("replicas", 0)
        == wanted
        == status.get("availableReplicas", 0)
    )
    return "" if settled else "the copy follows closely; the service's pods start at the destination"


def _migrating(service: Service, observed: Observed, now: Seat) -> bool:
    """Whether the schema changes at this moment, or is about to, on the side that owns the data."""
    if now.abroad:
        there = [live for ref, live in observed.partner.items() if ref.kind == "Pod"]
        return any(pods.is_running(pod) for pod in there if pods.component_of(pod) == meta.MIGRATIONS)
    running = pods.component_pods(observed, meta.MIGRATIONS)
    return not applied.migrated(service, observed) or any(pods.is_running(pod) for pod in running)


def _switching(
    service: Service, observed: Observed, every: Seats, done: list[switchover_jobs.Switch], objects: tuple[Object, ...]
) -> Step:
    """One try after another; what became of one is known only from its own words."""
    to, last = every.next, done[-1] if done else None
    assert to
    if last and last.ended is None:
        return Step(
            Reason.SWITCHING, "the two servers change places" + _trouble_of(observed, switchover_jobs.ROLE), objects
        )
    if last and len(done) == switchover_jobs.MOST:
        said = last.said or "the switch left no word of what became of it"
        return Step(Reason.SWITCH_FAILED, f"{said}; tried {len(done)} times; {progress.try_again(service)}", objects)
    since = (
        (observed.now - last.ended).total_seconds()
        if last and last.ended and last.said
        else switchover_jobs.BETWEEN_SECONDS
    )
    if last and since < switchover_jobs.BETWEEN_SECONDS:
        said = f"{last.said}; it is tried again"
        return Step(Reason.SWITCHING, said, objects, switchover_jobs.BETWEEN_SECONDS - since)
    name = switchover_jobs.job_name(service, every.owner, to, len(done))
    job = workloads.switch(service, observed, every.owner, to, name, CAPABILITY)
    return Step(Reason.SWITCHING, "the two servers change places", (*objects, job))


def _tries(service: Service, observed: Observed, every: Seats) -> frozenset[Ref]:
    """The Jobs of the switch that is due; they are the record of what became of each."""
    if every.next is None:
        return frozenset()
    return frozenset(
        Ref("Job", done.name) for done in switchover_jobs.tries(service, observed, every.owner, every.next)
    )


def _is_late(service: Service, observed: Observed, to: Seat) -> bool:
    begun = standby.begun(to)
    return begun is not None and observed.now > begun + duration(service.spec.placement.give_up_after)
