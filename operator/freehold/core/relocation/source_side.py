"""Parting: what the side of a move between namespaces does that the data leaves, or has left.

It puts a door before its server and the copy on the other side, which makes the switch; afterwards its own pods reach
the data through that door, until nobody is led to them any more. Its volume says where the data went.
"""

from __future__ import annotations

from freehold.api.v1alpha1.database import Database
from freehold.core.database import topology, volume
from freehold.core.database.instance import Instance
from freehold.core.database.topology import Topology
from freehold.core.model.case import Case
from freehold.core.model.resources import Observed, Plan
from freehold.core.objects import meta, pods
from freehold.core.relocation import standby, workloads
from freehold.core.relocation.standby import CAPABILITY


def is_due(case: Case, every: Topology) -> bool:
    """Whether the data is to go to the other side, or stays there; a switch on this side ends first."""
    if every.candidate and not every.candidate.abroad:
        return False
    return bool(every.primary.abroad) or topology.is_handing_over(case)


def plan(case: Case, database: Database, every: Topology) -> Plan:
    """The door, what was left as the way back, and its volume, which says whose the data is."""
    objects = [*standby.rollback_standbys(case, database, every)]
    left = _former_primary(every)
    if left and left.claim and "deletionTimestamp" not in left.claim["metadata"]:
        said = {**standby.ownership(every.primary, left), meta.DATA_MOVED_TO: every.primary.abroad}
        objects.append(volume.claim(case, database, left, CAPABILITY, said))
    keep = standby.proxy_in_use(case, every) if not every.primary.abroad else frozenset()
    if both := _proxied_instances(case.observed, every, left):
        objects.append(workloads.proxy(case, database, *both, CAPABILITY))
    kept = standby.kept(case, every, keep)
    again, discarded = standby.next_deadline(case, every), standby.discarded(database, every)
    return Plan(CAPABILITY, tuple(objects), None, kept, discarded, again=again)


def _former_primary(every: Topology) -> Instance | None:
    """The server here that the other side's took over from, as long as it is there."""
    if not every.primary.abroad:
        return None
    owned = [instance for instance in (*every.rollback_standbys, *every.obsolete) if instance.epoch]
    return max(owned, key=lambda instance: instance.epoch, default=None)


def _proxied_instances(observed: Observed, every: Topology, left: Instance | None) -> tuple[Instance, Instance] | None:
    """The servers that a door is to stand before; None where nobody needs one."""
    if every.candidate:
        return every.primary, every.candidate
    clients = [pod for pod in observed.pods if pods.component_of(pod) in (meta.SERVICE, meta.MIGRATIONS)]
    ended = ("Succeeded", "Failed")
    needed = any(
        meta.PROBE not in pod["metadata"]["labels"] and pod.get("status", {}).get("phase") not in ended
        for pod in clients
    )
    return (left, every.primary) if left and needed else None
