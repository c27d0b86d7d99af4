"""Topology: the servers a service's data may stand on, and whose it is.

A instance is a server with a volume of its own. One owns the data; during a move another is made from it and, for a stated
time afterwards, the one before follows the new one. The claims say who owns: each move gives its destination the next
turn, in one write, and the highest has it. A claim outlives its resource, and so does the answer. Of a move to another
namespace each side sees the instances of both.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from freehold.core.database import switchover_jobs
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
    """The owner, the one that is to own next, those kept as a way back, and those that nobody needs any more."""

    primary: Instance
    candidate: Instance | None
    rollback_standbys: tuple[Instance, ...]
    obsolete: tuple[Instance, ...]


@fact
def primary(case: Case) -> Instance:
    """The server that holds the data, or will, where there is none yet."""
    owned = [instance for instance in (*_local_instances(case), *_usable_remote_instances(case)) if instance.epoch]
    return max(owned, key=lambda instance: instance.epoch, default=Instance(FIRST))


@fact
def awaits_data_from(case: Case) -> Key | None:
    """Whose data it is to have, and has not yet: it begins with none of its own."""
    whence = remote.origin(case.spec.placement, case.namespace)
    former = Key(whence, case.name) if whence else None
    peer = case.observed.peers.get(former) if former else None
    owns = any(instance.epoch for instance in _local_instances(case))
    return former if peer and peer.database and not owns else None


def data_moved_to(case: Case) -> str:
    """The namespace that the data went to, where it is not seen any more; what is here is what was left behind."""
    now = primary(case)
    return "" if now.abroad else now.annotation(meta.DATA_MOVED_TO)


@fact
def conflicting_data(case: Case) -> str:
    """Why it cannot take over the other side's data: there is some here. Empty where nothing hinders."""
    if counterpart.with_database(case) is None:
        return ""
    own, others = _newest_claim(_local_instances(case)), _newest_claim(_remote_instances(case))
    if not (own and others) or dataset_of(own) == dataset_of(others):
        return ""
    claim = own["metadata"]
    return f"volume claim {claim['name']} in namespace {claim['namespace']} holds data already; delete what is not used"


def wanted_location(service: Service) -> Location:
    """Where the resource wants its service to stand."""
    database = service.spec.database
    return Location(
        node_labels(service.spec.placement.node_selector), database.storage.class_name if database else None
    )


@fact
def is_misplaced(case: Case) -> bool:
    """Whether the data stands somewhere else than is wanted; where there is none yet, it just begins there."""
    now = primary(case)
    if now.abroad:
        return counterpart.takes_data(case)
    return bool(now.holds_data and now.server and "spec" in now.server) and not wanted_location(case.service).holds(now)


@fact
def is_handing_over(case: Case) -> bool:
    """Whether the other side is to take over the data that is here."""
    paired = bool(_usable_counterpart(case)) and not primary(case).abroad
    return paired and not counterpart.takes_data(case)


def destination(case: Case) -> Object:
    """Where it moves to, as the resource's status shows it."""
    abroad = {"namespace": case.namespace} if primary(case).abroad else {}
    return {**wanted_location(case.service).shown(), **abroad}


@fact
def is_moving(case: Case) -> bool:
    """Whether it is to go there; a move that was given up is begun again only when another place is wanted."""
    last = case.observed.status.get("move", {})
    gave_up = last.get("step") == Reason.MOVE_TIMED_OUT and last.get("to") == destination(case)
    return is_misplaced(case) and not gave_up and not is_handing_over(case)


def is_paused(case: Case) -> bool:
    """Whether a move is to wait before its next step; either side may say so."""
    other = _usable_counterpart(case)
    return case.service.annotations.get(meta.MOVE) == PAUSED or bool(
        other and case.observed.peers[other].move == PAUSED
    )


@fact
def of(case: Case) -> Topology:
    """Every instance, by what it is for; of those on the other side the owner, and the one that is to own next, alone."""
    now, own = primary(case), _local_instances(case)
    others = [instance for instance in own if instance != now]
    chosen = _candidate(case, now, others)
    rest = [instance for instance in others if chosen is None or chosen.abroad or instance.number != chosen.number]
    until = rollback_until(case.service, now)
    kept = [instance for instance in rest if instance.epoch and instance.server and until and case.observed.now < until]
    over = [instance for instance in rest if instance not in kept and (instance.server or not instance.epoch)]
    return Topology(now, chosen, tuple(kept), tuple(over))


def _candidate(case: Case, now: Instance, others: list[Instance]) -> Instance | None:
    """A switch that may have been made goes on to its end, whatever is wanted since; what then is elsewhere moves."""
    bound = [instance for instance in others if switchover_jobs.may_have_completed(case, now, instance)]
    if bound:
        return bound[0]
    if is_handing_over(case):
        return next(
            (
                instance
                for instance in _usable_remote_instances(case)
                if instance.follows == replica_of(case.service, now)
            ),
            None,
        )
    if not is_moving(case):
        return None
    fitting = [instance for instance in others if instance.may_stand_at(wanted_location(case.service))]
    return max(fitting, key=lambda instance: instance.number, default=None) or Instance(_free_number(case), 0)


def rollback_until(service: Service, now: Instance) -> datetime | None:
    """Until when the server that was left is kept; None where none was."""
    turned = now.annotation(meta.PROMOTED_AT)
    return datetime.fromisoformat(turned) + duration(service.spec.placement.rollback_window) if turned else None


def server_pods(case: Case, instance: Instance) -> list[Object]:
    """The pod of one server, while it is not on its way out; none of one that is not here."""
    if instance.abroad:
        return []
    name = names.instance_pod(case.name, instance.number)
    return [pod for pod in pods.component_pods(case.observed, meta.DATABASE) if pod["metadata"]["name"] == name]


def is_ready(instance: Instance) -> bool:
    """Whether the server of the newest template serves, or follows closely the one it is made from."""
    status = instance.server.get("status", {}) if instance.server else {}
    return bool(
        instance.server
        and status.get("observedGeneration") == instance.server["metadata"].get("generation")
        and status.get("readyReplicas", 0) >= 1
        and status.get("updatedReplicas", 0) >= 1
    )


def refs_of(service: Service, instance: Instance) -> frozenset[Ref]:
    """The server and the volume, where they are here."""
    if instance.abroad or not (instance.claim or instance.server):
        return frozenset()
    server, claim = names.instance(service.name, instance.number), names.instance_volume(service.name, instance.number)
    return frozenset({Ref("StatefulSet", server), Ref("PersistentVolumeClaim", claim)})


def proxy(case: Case) -> Object | None:
    """The StatefulSet that stands before the servers during a move."""
    return case.observed.objects.get(Ref("StatefulSet", names.proxy(case.name)))


def clients_use_proxy(case: Case) -> bool:
    """Whether the clients of the server that owns the data are led to a door before it at this moment."""
    there = case.observed.counterpart if primary(case).abroad else case.observed.objects
    live = there.get(Ref("Service", names.database(case.name)), {})
    return bool(live.get("spec", {}).get("selector", {}).get(meta.POD_NAME) == names.proxy_pod(case.name))


@fact
def client_pod(case: Case) -> str:
    """The pod that clients of the database are led to: the server's, or in a move that of the door before both. Where
    the data is not here, only a door leads to it."""
    if primary(case).abroad or awaits_data_from(case):
        return names.proxy_pod(case.name)
    next_one, standing = of(case).candidate, proxy(case)
    if next_one and standing and not is_paused(case) and is_ready(next_one):
        opens = bool(standing.get("status", {}).get("readyReplicas"))
        if opens or clients_use_proxy(case):
            return names.proxy_pod(case.name)
    if next_one and clients_use_proxy(case):
        return names.proxy_pod(case.name)  # clients stay where they are, whatever the move waits for
    return names.instance_pod(case.name, primary(case).number)


@fact
def service_nodes(case: Case) -> dict[str, str]:
    """The labels of the nodes for the service's own pods: they go ahead of the data, once its copy is there."""
    if not case.spec.database or primary(case).abroad or not is_misplaced(case):
        return dict(wanted_location(case.service).nodes)
    ahead = is_moving(case) and clients_use_proxy(case)
    return dict(wanted_location(case.service).nodes if ahead else primary(case).place.nodes)


def is_in_transition(case: Case) -> bool:
    """Whether more than one server, or what moves it, is there or is about to be."""
    servers = [instance for instance in _local_instances(case) if instance.server]
    two = len(servers) > 1 or bool(proxy(case)) or bool(_usable_counterpart(case))
    return two or is_moving(case)


@fact
def _local_instances(case: Case) -> tuple[Instance, ...]:
    """Every instance here of which a volume or a server is there."""
    return tuple(discover(case.name, case.observed.objects))


@fact
def _usable_remote_instances(case: Case) -> tuple[Instance, ...]:
    """Those on the other side, unless either side has data of its own."""
    return () if conflicting_data(case) else _remote_instances(case)


@fact
def _remote_instances(case: Case) -> tuple[Instance, ...]:
    other = counterpart.with_database(case)
    return tuple(discover(case.name, case.observed.counterpart, other.namespace)) if other else ()


def _usable_counterpart(case: Case) -> Key | None:
    return None if conflicting_data(case) else counterpart.with_database(case)


def _newest_claim(instances: Iterable[Instance]) -> Object | None:
    """The claim of the one that last owned data."""
    owned = [instance for instance in instances if instance.epoch and instance.claim]
    return max(owned, key=lambda instance: instance.epoch).claim if owned else None


def _free_number(case: Case) -> int:
    taken = {instance.number for instance in _local_instances(case)}
    return next(number for number in range(FIRST, len(taken) + 2) if number not in taken)
