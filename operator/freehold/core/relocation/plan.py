"""Relocation: a service moves with its database to other nodes, another namespace or another cluster.

A standby at the destination takes a base backup from the primary and follows it; a database proxy takes over the
clients; the service's pods start at the destination; then a switchover promotes the standby, and the old primary
becomes the rollback standby. Each step is derived from the live objects, so that a restarted operator continues a move.
"""

from __future__ import annotations

from freehold.api.v1alpha1.database import Database
from freehold.core.database import confirmation, loss, switchover_jobs, topology, turn, volume
from freehold.core.database.instance import Instance
from freehold.core.handover import routing
from freehold.core.migrations import applied
from freehold.core.model import grants, quantities, remote
from freehold.core.model.case import Case
from freehold.core.model.conditions import Reason
from freehold.core.model.quantities import duration
from freehold.core.model.resources import Object, Observed, Plan, Ref
from freehold.core.model.troubles import worst
from freehold.core.objects import meta, names, pods, troubles
from freehold.core.peers import counterpart
from freehold.core.relocation import backup_check, initial_copy, progress, source_side, standby, workloads
from freehold.core.relocation.progress import Step
from freehold.core.relocation.standby import CAPABILITY

CAUGHT_UP = "the standby has caught up"


def plan(case: Case) -> Plan:
    """Return the candidate with all that a promotion needs, the rollback standbys, and condition Relocated."""
    database = case.spec.database
    if database is None:
        return Plan(CAPABILITY, ())
    if Ref("Secret", names.server_secret(case.name)) not in case.observed.objects:
        return standby.unchanged(case)  # without credentials nothing changes
    if loss.found(case):
        return standby.unchanged(case)  # a standby may be the only copy left
    if not topology.primary(case).claim and switchover_jobs.is_under_way(case.observed.objects):
        return standby.unchanged(case)  # the counterpart is not visible meanwhile
    if source_side.is_due(case):
        return source_side.plan(case, database)
    step = _step(case, database)
    status = progress.to_status(case, step)
    redirect = routing.reports_redirect(case)
    moments = [standby.next_deadline(case), step.again if step else None]
    objects = (*standby.rollback_standbys(case, database), *(step.objects if step else ()))
    return Plan(
        CAPABILITY,
        turn.without(turn.held(case), objects),
        None if redirect else progress.condition(case, step),
        standby.kept(case, _attempts(case) | standby.proxy_in_use(case) | _held(case, objects)),
        standby.discarded(case, database),
        {"move": status} if status and not redirect else {},
        min((moment for moment in moments if moment is not None), default=None),
    )


def _step(case: Case, database: Database) -> Step | None:
    """Return the current step; None if no move is under way."""
    primary, candidate = topology.primary(case), topology.of(case).candidate
    if candidate is None:
        return None
    if candidate.server is None and (obstacle := _obstacle(case, database)):
        return Step(Reason.MOVE_BLOCKED, f"{obstacle}; {progress.stays(primary)}", again=30)
    if topology.is_paused(case) and candidate.server is None:
        return Step(Reason.MOVE_PAUSED, f"not started; {progress.resume(case.service)}")
    attempts = [*switchover_jobs.attempts(case, primary, candidate)]
    last = attempts[-1] if attempts else None
    objects = standby.objects(case, database, candidate)
    if last and last.moved and confirmation.is_denied(case, candidate):
        message = f"{last.name} reports success, and the database proxy another writable server; asked again"
        return Step(Reason.SWITCHING_OVER, message, objects, again=2)
    if last and last.moved:
        return _promoted(case, database, candidate, last)
    if last and last.discard:
        message = f"{last.message}; the standby is not usable any more; the initial copy starts again"
        return Step(Reason.INITIAL_COPY, message, objects[2:])  # clients may use the proxy
    if _is_late(case, candidate) and not (last and last.ended is None):
        state = f"not complete after {case.spec.placement.timeout} (spec.placement.timeout); {progress.stays(primary)}"
        return Step(Reason.MOVE_TIMED_OUT, f"{state}; to try again, revert the edit and make it again", objects)
    return _wait(case, candidate, last, objects) or _switchover(case, database, candidate, attempts, objects)


def _obstacle(case: Case, database: Database) -> str:
    """Return why a move cannot start, and the action to take; empty if it can."""
    primary = topology.primary(case)
    if not case.observed.secrets_granted:
        return grants.secrets_not_granted(case)
    if not case.observed.platform.operator_image:
        return "the operator's image is unknown; proxy and switchover run from it; set FREEHOLD_IMAGE in its Deployment"
    if trouble := volume.storage_class_trouble(database, case.observed):
        return trouble.message
    if primary.counterpart and (destination := primary.annotation(meta.DATA_MOVED_TO)):
        origin = remote.describe(primary.counterpart)
        state = f"the data was moved from {origin} to {destination}, where no volume holds the data any more"
        return f"{state}; restore the volume from a backup"
    if message := counterpart.untrusted(case) or volume.too_small_for(database, primary):
        return message
    # Clients on the proxy show a move that has started already, and may repeat the initial copy.
    if not topology.clients_use_proxy(case) and (message := backup_check.missing(case)):
        return message
    return "" if primary.is_ready else "the database is not ready; the move starts once it is"


def _promoted(case: Case, database: Database, candidate: Instance, attempt: switchover_jobs.Attempt) -> Step:
    """Return the step that records the promotion on the candidate's claim, with the next epoch."""
    primary = topology.primary(case)
    record = {
        **standby.ownership(primary, candidate),
        meta.EPOCH: str(primary.epoch + 1),
        meta.PROMOTED_AT: quantities.timestamp(attempt.ended or case.observed.now),
        meta.WRITE_PAUSE: str(attempt.pause or 0),
    }
    _, *others = standby.objects(case, database, candidate)
    claim = volume.claim(case, database, candidate, CAPABILITY, record)
    return Step(Reason.SWITCHING_OVER, "the instance at the destination is promoted", (claim, *others))


def _wait(
    case: Case, candidate: Instance, last: switchover_jobs.Attempt | None, objects: tuple[Object, ...]
) -> Step | None:
    """Return what the switchover waits for; None once it may start. last: the last attempt."""
    if not (last and last.ended is None) and (blocked := progress.blocked_by_losses(case, objects)):
        return blocked
    if not candidate.is_ready:
        return initial_copy.step(case, candidate, objects)
    if topology.is_paused(case) and not (last and last.ended is None):
        return Step(Reason.MOVE_PAUSED, f"{CAUGHT_UP}; {progress.resume(case.service)}", objects)
    if not topology.clients_use_proxy(case):
        trouble = _pod_trouble(case.observed, workloads.PROXY, Ref("StatefulSet", names.proxy(case.name)))
        return Step(Reason.CATCHING_UP, f"{CAUGHT_UP}; the database proxy starts{trouble}", objects)
    if not topology.primary(case).counterpart and not _pods_moved(case):
        return Step(Reason.MOVING_PODS, f"{CAUGHT_UP}; the service's pods start at the destination", objects)
    if _is_migrating(case):
        message = f"{CAUGHT_UP}; the switchover waits until the migrations are applied"
        return Step(Reason.WAITING_FOR_MIGRATIONS, message, objects)
    return None


def _pod_trouble(observed: Observed, role: str, controller: Ref) -> str:
    """Return what keeps the proxy's or the switchover's pods from running, as the end of a message."""
    own = [pod for pod in observed.pods if pod["metadata"]["labels"].get(meta.ROLE) == role]
    trouble = worst((troubles.of_pods(own, observed), troubles.of_creation(observed, controller)))
    return f"; {trouble.message}" if trouble else ""


def _pods_moved(case: Case) -> bool:
    """Return whether all pods of the service are available at the destination."""
    live = case.observed.objects.get(Ref("Deployment", case.name))
    if live is None:
        return True
    status, wanted = live.get("status", {}), live.get("spec", {}).get("replicas", 0)
    nodes = live.get("spec", {}).get("template", {}).get("spec", {}).get("nodeSelector", {})
    counts = [status.get(key, 0) for key in ("updatedReplicas", "replicas", "availableReplicas")]
    return (
        nodes == topology.service_nodes(case)
        and status.get("observedGeneration") == live["metadata"].get("generation")
        and counts == [wanted] * len(counts)
    )


def _is_migrating(case: Case) -> bool:
    """Return whether migrations run, or are about to, on the primary's side."""
    if topology.primary(case).counterpart:
        live_pods = [live for ref, live in case.observed.counterpart.items() if ref.kind == "Pod"]
        return any(map(_runs_migration, live_pods))
    own = pods.component_pods(case.observed, meta.MIGRATIONS)
    return not applied.migrated(case) or any(map(_runs_migration, own))


def _runs_migration(pod: Object) -> bool:
    return pods.component_of(pod) == meta.MIGRATIONS and applied.CONTAINER in pods.running(pod)


def _switchover(
    case: Case,
    database: Database,
    candidate: Instance,
    attempts: list[switchover_jobs.Attempt],
    objects: tuple[Object, ...],
) -> Step:
    """Return the step of the switchover: wait for the running attempt, start the next, or report the failure."""
    primary, exchange = topology.primary(case), "the two instances exchange roles"
    last = attempts[-1] if attempts else None
    if last and last.ended is None:
        trouble = _pod_trouble(case.observed, switchover_jobs.ROLE, Ref("Job", last.name))
        return Step(Reason.SWITCHING_OVER, exchange + trouble, objects)
    if last and len(attempts) == switchover_jobs.MAX_ATTEMPTS:
        cause = last.message or "the switchover ended without an outcome"
        message = f"{cause}; tried {len(attempts)} times; {progress.try_again(case.service)}"
        return Step(Reason.SWITCHOVER_FAILED, message, objects)
    if last and last.ended and last.message:
        elapsed = (case.observed.now - last.ended).total_seconds()
        if elapsed < switchover_jobs.RETRY_SECONDS:
            remaining = switchover_jobs.RETRY_SECONDS - elapsed
            return Step(Reason.SWITCHING_OVER, f"{last.message}; another attempt follows", objects, remaining)
    name = switchover_jobs.job_name(case.service, primary, candidate, len(attempts))
    job = workloads.switchover_job(case, database, primary, candidate, name, CAPABILITY)
    return Step(Reason.SWITCHING_OVER, exchange, (*objects, job))


def _held(case: Case, objects: tuple[Object, ...]) -> frozenset[Ref]:
    """Return those of the objects that wait for the database's turn."""
    return turn.held(case) & {Ref(body["kind"], body["metadata"]["name"]) for body in objects}


def _attempts(case: Case) -> frozenset[Ref]:
    """Return the Jobs of the switchover, which record the outcome of each attempt."""
    state = topology.of(case)
    if state.candidate is None:
        return frozenset()
    attempts = switchover_jobs.attempts(case, state.primary, state.candidate)
    return frozenset(Ref("Job", attempt.name) for attempt in attempts)


def _is_late(case: Case, candidate: Instance) -> bool:
    started = standby.started_at(candidate)
    return started is not None and case.observed.now > started + duration(case.spec.placement.timeout)
