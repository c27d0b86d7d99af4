"""Relocation: a service is picked up with its database and put somewhere else, and nobody notices.

A server at the destination makes itself from the one that owns the data and follows it; clients are led through a door;
the service's pods go ahead; then the two servers change places, and the one that was left follows the other: the way
back. Every step is read off what is there, so whoever is lost on the way, the next look goes on from where it stands.
"""

from __future__ import annotations

from freehold.api.v1alpha1.database import Database
from freehold.core.database import switchover_jobs, topology, volume
from freehold.core.database.instance import Instance
from freehold.core.database.topology import Topology
from freehold.core.handover import routing
from freehold.core.migrations import applied
from freehold.core.model import grants, quantities, remote
from freehold.core.model.case import Case
from freehold.core.model.conditions import Reason
from freehold.core.model.quantities import duration
from freehold.core.model.resources import Object, Observed, Plan, Ref
from freehold.core.objects import meta, names, pods
from freehold.core.peers import counterpart
from freehold.core.relocation import backup_check, initial_copy, progress, source_side, standby, workloads
from freehold.core.relocation.progress import Step
from freehold.core.relocation.standby import CAPABILITY


def plan(case: Case) -> Plan:
    """The next owner of the data and what brings it there; the one before, as long as it is the way back."""
    database = case.spec.database
    if database is None:
        return Plan(CAPABILITY, ())
    if Ref("Secret", names.server_secret(case.name)) not in case.observed.objects:
        return Plan(CAPABILITY, (), keep=frozenset(case.observed.objects))  # what is under way goes on as it is
    every = topology.of(case)
    if not every.primary.claim and switchover_jobs.is_under_way(case.observed.objects):
        return Plan(CAPABILITY, (), keep=frozenset(case.observed.objects))  # the other side is out of sight meanwhile
    if source_side.is_due(case, every):
        return source_side.plan(case, database, every)
    step = _step(case, database, every)
    left = standby.rollback_standbys(case, database, every)
    keep = _attempts(case, every) | standby.proxy_in_use(case, every)
    shown = progress.to_status(case, every, step)
    objects = (*left, *(step.objects if step else ()))
    named = routing.reports_redirect(case)
    moments = [standby.next_deadline(case, every), step.again if step else None]
    return Plan(
        CAPABILITY,
        objects,
        None if named else progress.condition(case, every, step),
        standby.kept(case, every, keep),
        standby.discarded(database, every),
        {"move": shown} if shown and not named else {},
        min((moment for moment in moments if moment is not None), default=None),
    )


def _step(case: Case, database: Database, every: Topology) -> Step | None:
    """The step that is under way; None where nothing moves."""
    if every.candidate is None:
        return None
    blocked = every.candidate.server is None and _obstacle(case, database, every.primary)
    if blocked:
        return Step(Reason.MOVE_BLOCKED, f"{blocked}; it stays {progress.at(every.primary)} meanwhile", again=30)
    if topology.is_paused(case) and every.candidate.server is None:
        return Step(Reason.MOVE_PAUSED, f"not begun; {progress.resume(case.service)}")
    done = [*switchover_jobs.attempts(case, every.primary, every.candidate)]
    if done and done[-1].moved:
        return _promoted(case, database, every, done[-1])
    objects = standby.objects(case, database, every)
    if done and done[-1].discard:
        said = f"{done[-1].said}; the copy is of no use any more and is made anew"
        return Step(Reason.INITIAL_COPY, said, objects[2:])  # but for the door, where clients may be
    if _is_late(case, every.candidate) and not (done and done[-1].ended is None):
        limit = case.spec.placement.timeout
        said = f"not there after {limit} (spec.placement.timeout); it stays {progress.at(every.primary)}"
        return Step(Reason.MOVE_TIMED_OUT, f"{said}; to try again, take the edit back and make it anew", objects)
    return _under_way(case, database, every, done, objects)


def _obstacle(case: Case, database: Database, now: Instance) -> str:
    """Why a move cannot begin, and the way out."""
    if not case.observed.secrets_granted:
        return grants.secrets_not_granted(case)
    if not case.observed.platform.operator_image:
        return "the operator was not told its own image (FREEHOLD_IMAGE), from which what moves the data runs"
    if trouble := volume.storage_class_trouble(database, case.observed):
        return trouble.message
    if now.abroad and (gone := now.annotation(meta.DATA_MOVED_TO)):
        return f"the data went from {remote.describe(now.abroad)} to {gone}, where no volume has it any more"
    if mistrust := counterpart.untrusted(case):
        return mistrust
    if too_small := volume.too_small_for(database, now):
        return too_small
    # With clients at the door a move is under way already, and makes its copy anew, or one more after another edit.
    if not topology.clients_use_proxy(case) and (asked := backup_check.missing(case, now)):
        return asked
    return "" if topology.is_ready(now) else "the database is not ready; it moves once it is"


def _promoted(case: Case, database: Database, every: Topology, done: switchover_jobs.Attempt) -> Step:
    """It has taken over: its claim says so from now on, and with it everything else follows."""
    to = every.candidate
    assert to
    turned = {
        **standby.ownership(every.primary, to),
        meta.EPOCH: str(every.primary.epoch + 1),
        meta.PROMOTED_AT: quantities.timestamp(done.ended or case.observed.now),
        meta.WRITE_PAUSE: str(done.pause or 0),
    }
    _, *others = standby.objects(case, database, every)
    claim = volume.claim(case, database, to, CAPABILITY, turned)
    return Step(Reason.SWITCHING_OVER, "the server at the destination has taken over", (claim, *others))


def _under_way(
    case: Case, database: Database, every: Topology, done: list[switchover_jobs.Attempt], objects: tuple[Object, ...]
) -> Step:
    to = every.candidate
    assert to
    if not topology.is_ready(to):
        return initial_copy.step(case, to, objects)
    if topology.is_paused(case) and not (done and done[-1].ended is None):
        return Step(Reason.MOVE_PAUSED, f"the copy follows closely; {progress.resume(case.service)}", objects)
    if not topology.clients_use_proxy(case):
        said = "the copy follows closely; a door is put before both servers"
        return Step(Reason.CATCHING_UP, said + _trouble_of(case.observed, workloads.PROXY), objects)
    if not every.primary.abroad and (waits := _awaited_pods(case)):
        return Step(Reason.MOVING_PODS, waits, objects)
    if _migrating(case, every.primary):
        said = "the copy follows closely; the switch waits until the migrations are in"
        return Step(Reason.WAITING_FOR_MIGRATIONS, said, objects)
    return _switching(case, database, every, done, objects)


def _trouble_of(observed: Observed, role: str) -> str:
    """What keeps what moves the data from doing so."""
    mine = [pod for pod in observed.pods if pod["metadata"]["labels"].get(meta.ROLE) == role]
    found = pods.trouble(mine, observed)
    return f"; {found.message}" if found else ""


def _awaited_pods(case: Case) -> str:
    """What is awaited of the service's pods; empty once all of them serve at the destination."""
    live = case.observed.objects.get(Ref("Deployment", case.name))
    if live is None:
        return ""
    status, wanted = live.get("status", {}), live.get("spec", {}).get("replicas", 0)
    there = live.get("spec", {}).get("template", {}).get("spec", {}).get("nodeSelector", {})
    settled = (
        there == topology.service_nodes(case)
        and status.get("observedGeneration") == live["metadata"].get("generation")
        and status.get("updatedReplicas", 0)
        == status.get("replicas", 0)
        == wanted
        == status.get("availableReplicas", 0)
    )
    return "" if settled else "the copy follows closely; the service's pods start at the destination"


def _migrating(case: Case, now: Instance) -> bool:
    """Whether the schema changes at this moment, or is about to, on the side that owns the data."""
    if now.abroad:
        there = [live for ref, live in case.observed.counterpart.items() if ref.kind == "Pod"]
        return any(pods.is_running(pod) for pod in there if pods.component_of(pod) == meta.MIGRATIONS)
    running = pods.component_pods(case.observed, meta.MIGRATIONS)
    return not applied.migrated(case) or any(pods.is_running(pod) for pod in running)


def _switching(
    case: Case, database: Database, every: Topology, done: list[switchover_jobs.Attempt], objects: tuple[Object, ...]
) -> Step:
    """One try after another; what became of one is known only from its own words."""
    to, last = every.candidate, done[-1] if done else None
    assert to
    if last and last.ended is None:
        return Step(
            Reason.SWITCHING_OVER,
            "the two servers change places" + _trouble_of(case.observed, switchover_jobs.ROLE),
            objects,
        )
    if last and len(done) == switchover_jobs.MAX_ATTEMPTS:
        said = last.said or "the switch left no word of what became of it"
        return Step(
            Reason.SWITCHOVER_FAILED, f"{said}; tried {len(done)} times; {progress.try_again(case.service)}", objects
        )
    since = (
        (case.observed.now - last.ended).total_seconds()
        if last and last.ended and last.said
        else switchover_jobs.RETRY_SECONDS
    )
    if last and since < switchover_jobs.RETRY_SECONDS:
        said = f"{last.said}; it is tried again"
        return Step(Reason.SWITCHING_OVER, said, objects, switchover_jobs.RETRY_SECONDS - since)
    name = switchover_jobs.job_name(case.service, every.primary, to, len(done))
    job = workloads.switchover_job(case, database, every.primary, to, name, CAPABILITY)
    return Step(Reason.SWITCHING_OVER, "the two servers change places", (*objects, job))


def _attempts(case: Case, every: Topology) -> frozenset[Ref]:
    """The Jobs of the switch that is due; they are the record of what became of each."""
    if every.candidate is None:
        return frozenset()
    return frozenset(Ref("Job", done.name) for done in switchover_jobs.attempts(case, every.primary, every.candidate))


def _is_late(case: Case, to: Instance) -> bool:
    begun = standby.started_at(to)
    return begun is not None and case.observed.now > begun + duration(case.spec.placement.timeout)
