"""Topology: the instances of a service's database and their roles.

One instance is the primary. During a move another instance replicates from the primary, and after the switchover the
old primary follows the new one for the rollback window. The claims record the roles: each switchover writes a higher
epoch to the destination's claim in one write, and the highest epoch identifies the primary. A claim outlives its
Microservice, and so does the record. In a move between namespaces each counterpart sees the instances of both.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from freehold.core.database import confirmation, record, switchover_jobs
from freehold.core.database.instance import FIRST, Instance, Location, dataset_of, discover, node_labels, replica_of
from freehold.core.model import remote
from freehold.core.model.case import Case, fact
from freehold.core.model.conditions import Reason
from freehold.core.model.quantities import duration
from freehold.core.model.resources import Key, Object, Ref, Service
from freehold.core.objects import meta, names, pods
from freehold.core.peers import counterpart

PAUSED = "Paused"


class Topology(NamedTuple):
    """The instances by role.

    candidate: the instance to promote, while a move is under way. rollback_standbys: old primaries within the rollback
    window. obsolete: instances to remove. Of the counterpart's instances, only a primary or candidate is listed.
    """

    primary: Instance
    candidate: Instance | None
    rollback_standbys: tuple[Instance, ...]
    obsolete: tuple[Instance, ...]


@fact
def primary(case: Case) -> Instance:
    """Return the instance with the highest epoch, or the first instance before any data exists."""
    own = [instance for instance in local_instances(case) if instance.epoch]
    theirs = [instance for instance in usable_remote_instances(case) if instance.epoch]
    believed = [instance for instance in theirs if not own or not confirmation.is_denied(case, instance)]
    return max((*own, *believed), key=lambda instance: instance.epoch, default=Instance(FIRST))


@fact
def awaits_data_from(case: Case) -> Key | None:
    """Return the service whose data is to be taken over, until the data arrives; None if no data is awaited."""
    namespace = remote.origin(case.spec.placement, case.namespace)
    former = Key(namespace, case.name) if namespace else None
    peer = case.observed.peers.get(former) if former else None
    owns = any(instance.epoch for instance in local_instances(case))
    return former if peer and peer.database and not owns else None


def data_moved_to(case: Case) -> str:
    """Return the namespace to which the data was moved, if only the stale copy is visible; otherwise empty."""
    return "" if primary(case).counterpart else primary(case).annotation(meta.DATA_MOVED_TO)


@fact
def conflicting_data(case: Case) -> str:
    """Return why the counterpart's data cannot be taken over: other data exists already. Empty without a conflict."""
    if counterpart.with_database(case) is None:
        return ""
    own, remote_claim = _newest_claim(local_instances(case)), _newest_claim(_remote_instances(case))
    if not (own and remote_claim) or dataset_of(own) == dataset_of(remote_claim):
        return ""
    name, namespace = own["metadata"]["name"], own["metadata"]["namespace"]
    return f"volume claim {name} in namespace {namespace} holds data already; delete the claim that is not used"


def wanted_location(service: Service) -> Location:
    """Return the location that the spec asks for."""
    database, nodes = service.spec.database, node_labels(service.spec.placement.node_selector)
    return Location(nodes, database.storage.class_name if database else None)


@fact
def is_misplaced(case: Case) -> bool:
    """Return whether the data is at another location than wanted; a database without data is never misplaced."""
    current = primary(case)
    if current.counterpart:
        return counterpart.takes_data(case)
    return bool(current.holds_data and current.server and "spec" in current.server) and not wanted_location(
        case.service
    ).holds(current)


@fact
def is_handing_over(case: Case) -> bool:
    """Return whether the counterpart is to take over the data that is here."""
    leaves = bool(usable_counterpart(case)) and not primary(case).counterpart
    return leaves and not counterpart.takes_data(case)


def destination(case: Case) -> Object:
    """Return the wanted location as `status.move` shows it, with the namespace if the data comes from another."""
    namespace = {"namespace": case.namespace} if primary(case).counterpart else {}
    return {**wanted_location(case.service).to_status(), **namespace}


@fact
def is_moving(case: Case) -> bool:
    """Return whether a move to this side is wanted; one that timed out starts again only with another destination."""
    last = case.observed.status.get("move", {})
    timed_out = last.get("step") == Reason.MOVE_TIMED_OUT and last.get("to") == destination(case)
    return is_misplaced(case) and not timed_out and not is_handing_over(case)


def is_paused(case: Case) -> bool:
    """Return whether either side pauses the move (annotation freehold.dev/move)."""
    other = usable_counterpart(case)
    return case.service.annotations.get(meta.MOVE) == PAUSED or bool(
        other and case.observed.peers[other].move == PAUSED
    )


@fact
def of(case: Case) -> Topology:
    """Return the instances by role."""
    current, own = primary(case), local_instances(case)
    others = [instance for instance in own if instance != current]
    chosen = _candidate(case, others)
    rest = [instance for instance in others if chosen is None or chosen.counterpart or instance.number != chosen.number]
    until = rollback_until(case)
    kept = [instance for instance in rest if instance.epoch and instance.server and until and case.observed.now < until]
    obsolete = [instance for instance in rest if instance not in kept and (instance.server or not instance.epoch)]
    return Topology(current, chosen, tuple(kept), tuple(obsolete))


def _candidate(case: Case, others: list[Instance]) -> Instance | None:
    """Return the instance to promote.

    A switchover that may have completed is always finished first, even if the spec changed meanwhile; the new target
    then starts another move.
    """
    for instance in others:
        if switchover_jobs.may_have_completed(case, primary(case), instance):
            return instance
    if is_handing_over(case):
        source = replica_of(case.service, primary(case))
        return next((i for i in usable_remote_instances(case) if i.replicates_from == source), None)
    if not is_moving(case):
        return None
    fitting = [instance for instance in others if instance.fits(wanted_location(case.service))]
    return max(fitting, key=lambda instance: instance.number, default=None) or Instance(_free_number(case), 0)


def rollback_until(case: Case) -> datetime | None:
    """Return the end of the rollback window; None for a primary that was never promoted by a move."""
    promoted = primary(case).annotation(meta.PROMOTED_AT)
    return datetime.fromisoformat(promoted) + duration(case.spec.placement.rollback_window) if promoted else None


def server_pods(case: Case, instance: Instance) -> list[Object]:
    """Return the pod of a local instance's server, unless the pod is being deleted."""
    if instance.counterpart:
        return []
    name = names.instance_pod(case.name, instance.number)
    return [pod for pod in pods.component_pods(case.observed, meta.DATABASE) if pod["metadata"]["name"] == name]


def proxy(case: Case) -> Object | None:
    """Return the live StatefulSet of the database proxy."""
    return case.observed.objects.get(Ref("StatefulSet", names.proxy(case.name)))


def clients_use_proxy(case: Case) -> bool:
    """Return whether the database's Service at the primary selects the database proxy."""
    objects = case.observed.counterpart if primary(case).counterpart else case.observed.objects
    live = objects.get(Ref("Service", names.database(case.name)), {})
    return bool(live.get("spec", {}).get("selector", {}).get(meta.POD_NAME) == names.proxy_pod(case.name))


@fact
def client_pod(case: Case) -> str:
    """Return the pod for clients of the database: the primary's, or the database proxy's.

    A local proxy is the only path to data in another namespace or cluster.
    """
    if primary(case).counterpart or awaits_data_from(case):
        return names.proxy_pod(case.name)
    candidate, live_proxy = of(case).candidate, proxy(case)
    if candidate and live_proxy and not is_paused(case) and candidate.is_ready:
        accepts = bool(live_proxy.get("status", {}).get("readyReplicas"))
        if accepts or clients_use_proxy(case):
            return names.proxy_pod(case.name)
    if candidate and clients_use_proxy(case):
        return names.proxy_pod(case.name)  # a paused or blocked move does not redirect its clients
    return names.instance_pod(case.name, primary(case).number)


@fact
def service_nodes(case: Case) -> dict[str, str]:
    """Return the node selector of the service's own pods, which move once the standby has caught up."""
    if not case.spec.database or primary(case).counterpart or not is_misplaced(case):
        return dict(wanted_location(case.service).nodes)
    moves = is_moving(case) and clients_use_proxy(case)
    return dict(wanted_location(case.service).nodes if moves else primary(case).location.nodes)


@fact
def local_instances(case: Case) -> tuple[Instance, ...]:
    """Return the instances in the service's own namespace; also that of a recorded claim which does not exist any
    more, with its epoch, so that no older copy counts as the primary."""
    own, lost = tuple(discover(case.name, case.observed.objects)), record.missing(case)
    if lost is None:
        return own
    server = next((instance.server for instance in own if instance.number == lost.number), None)
    others = [instance for instance in own if instance.number != lost.number]
    return (*others, Instance(lost.number, lost.epoch, None, server))


@fact
def usable_remote_instances(case: Case) -> tuple[Instance, ...]:
    """Return the counterpart's instances; none if the data of both sides conflicts."""
    return () if conflicting_data(case) else _remote_instances(case)


def remote_standbys(case: Case) -> tuple[Instance, ...]:
    """Return the counterpart's instances whose servers were told to replicate from another server."""
    return tuple(instance for instance in _remote_instances(case) if instance.replicates_from)


@fact
def _remote_instances(case: Case) -> tuple[Instance, ...]:
    other = counterpart.with_database(case)
    return tuple(discover(case.name, counterpart.objects(case), other.namespace)) if other else ()


def usable_counterpart(case: Case) -> Key | None:
    """Return the counterpart with the same database; None if the data of both sides conflicts."""
    return None if conflicting_data(case) else counterpart.with_database(case)


def _newest_claim(instances: Iterable[Instance]) -> Object | None:
    """Return the claim with the highest epoch; None if none was ever a primary's."""
    owned = [instance for instance in instances if instance.epoch and instance.claim]
    return max(owned, key=lambda instance: instance.epoch).claim if owned else None


def _free_number(case: Case) -> int:
    taken = {instance.number for instance in local_instances(case)}
    return next(number for number in range(FIRST, len(taken) + 2) if number not in taken)
