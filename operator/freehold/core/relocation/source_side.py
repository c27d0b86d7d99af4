"""The source side of a move to another namespace or cluster: the proxy, the rollback standby and the stale volume.

The source runs the database proxy before both instances; the destination makes the switchover. Afterwards the source's
pods reach the data through the proxy until no client uses them, and the stale volume records where the data went.
"""

from __future__ import annotations

from freehold.api.v1alpha1.database import Database
from freehold.core.database import topology, turn, volume
from freehold.core.database.instance import Instance
from freehold.core.model.case import Case
from freehold.core.model.resources import Object, Plan
from freehold.core.objects import meta, pods
from freehold.core.relocation import standby, workloads
from freehold.core.relocation.standby import CAPABILITY


def is_due(case: Case) -> bool:
    """Return whether the counterpart has the data or is to get it; a local switchover finishes first."""
    state = topology.of(case)
    if state.candidate and not state.candidate.counterpart:
        return False
    return bool(state.primary.counterpart) or topology.is_handing_over(case)


def plan(case: Case, database: Database) -> Plan:
    """Return the proxy, the rollback standbys, and the volume with the record of where the data went."""
    primary, former = topology.primary(case), _former_primary(case)
    objects = [*turn.without(turn.held(case), standby.rollback_standbys(case, database))]
    if former and former.claim and "deletionTimestamp" not in former.claim["metadata"]:
        record = {**standby.ownership(primary, former), meta.DATA_MOVED_TO: primary.counterpart}
        objects.append(volume.claim(case, database, former, CAPABILITY, record))
    keep = standby.proxy_in_use(case) if not primary.counterpart else frozenset()
    if pair := _proxied_instances(case, former):
        objects.append(workloads.proxy(case, database, *pair, CAPABILITY))
    again, discarded = standby.next_deadline(case), standby.discarded(case, database)
    return Plan(CAPABILITY, tuple(objects), None, standby.kept(case, keep), discarded, retry_after=again)


def _former_primary(case: Case) -> Instance | None:
    """Return the local instance that was primary before the counterpart's, if any is left."""
    state = topology.of(case)
    if not state.primary.counterpart:
        return None
    owned = [instance for instance in (*state.rollback_standbys, *state.obsolete) if instance.epoch]
    return max(owned, key=lambda instance: instance.epoch, default=None)


def _proxied_instances(case: Case, former: Instance | None) -> tuple[Instance, Instance] | None:
    """Return the instances behind the proxy; None if no client needs a proxy."""
    state = topology.of(case)
    if state.candidate:
        return state.primary, state.candidate
    return (former, state.primary) if former and any(map(_is_client, case.observed.pods)) else None


def _is_client(pod: Object) -> bool:
    """Return whether a pod is one of the service's or its migrations', and has not ended."""
    is_probe = meta.PROBE in pod["metadata"]["labels"]
    ended = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
    return pods.component_of(pod) in (meta.SERVICE, meta.MIGRATIONS) and not is_probe and not ended
