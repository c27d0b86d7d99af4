"""What stands of a move: the copy and its volume, the door before both servers, and what is left behind."""

from __future__ import annotations

from datetime import datetime, timedelta

from freehold.api.v1alpha1.database import Database, DeletionPolicy
from freehold.core.database import statefulset, topology, volume
from freehold.core.database.instance import Instance, dataset_of
from freehold.core.database.topology import Topology
from freehold.core.model.case import Case
from freehold.core.model.quantities import duration
from freehold.core.model.resources import Object, Observed, Ref
from freehold.core.objects import meta, names
from freehold.core.relocation import workloads

CAPABILITY = "relocation"
PROXY_LINGER = timedelta(seconds=10)
"""After the switch: until every node leads the database's clients to its new server."""


def objects(case: Case, database: Database, every: Topology) -> tuple[Object, ...]:
    """The server at the destination with its volume, and, where the one before is here too, the door to both."""
    to = every.candidate
    assert to
    claim = volume.claim(case, database, to, CAPABILITY, ownership(every.primary, to))
    server = statefulset.statefulset(case, database, to, CAPABILITY)
    if every.primary.abroad:
        return claim, server
    return claim, server, workloads.proxy(case, database, every.primary, to, CAPABILITY)


def ownership(now: Instance, to: Instance) -> dict[str, str]:
    """What the claim of the next owner says: that it has not owned this data yet, or when it last did."""
    return {meta.EPOCH: str(to.epoch), meta.DATASET_ID: dataset_of(now.claim) if now.claim else ""}


def rollback_standbys(case: Case, database: Database, every: Topology) -> tuple[Object, ...]:
    """The servers that are kept as a way back, and follow the one that owns the data."""
    return tuple(statefulset.statefulset(case, database, instance, CAPABILITY) for instance in every.rollback_standbys)


def kept(case: Case, every: Topology, more: frozenset[Ref]) -> frozenset[Ref]:
    """What stays as it is: the owner, the way back and more, as far as this capability made it and no other took it."""
    servers = frozenset(
        ref
        for instance in (every.primary, *every.rollback_standbys)
        for ref in topology.refs_of(case.service, instance)
    )
    return frozenset(ref for ref in servers | more if _is_ours(case.observed, ref))


def _is_ours(observed: Observed, ref: Ref) -> bool:
    labels = observed.objects.get(ref, {}).get("metadata", {}).get("labels", {})
    return bool(labels.get(meta.CAPABILITY) == CAPABILITY)


def proxy_in_use(case: Case, every: Topology) -> frozenset[Ref]:
    """The door stays as long as anybody may be led to it, whatever a move waits for."""
    turned = every.primary.annotation(meta.PROMOTED_AT)
    fresh = bool(turned) and case.observed.now < datetime.fromisoformat(turned) + PROXY_LINGER
    stays = topology.clients_use_proxy(case) or (every.candidate is None and fresh)
    return frozenset({Ref("StatefulSet", names.proxy(case.name))}) if stays else frozenset()


def discarded(database: Database, every: Topology) -> frozenset[Ref]:
    """Volumes that nobody needs: copies that never owned the data, and, with Delete, what was left after its time."""
    gone = [
        instance
        for instance in every.obsolete
        if not instance.epoch or database.deletion_policy is DeletionPolicy.DELETE
    ]
    claims = (instance.claim for instance in gone if instance.claim)
    named = (c["metadata"]["name"] for c in claims if "deletionTimestamp" not in c["metadata"])
    return frozenset(Ref("PersistentVolumeClaim", name) for name in named)


def next_deadline(case: Case, every: Topology) -> float | None:
    """When time alone makes something due: the door, the way back, or the end of patience."""
    moments = [topology.rollback_until(case.service, every.primary)] if every.rollback_standbys else []
    turned = every.primary.annotation(meta.PROMOTED_AT)
    if turned and topology.proxy(case):
        moments.append(datetime.fromisoformat(turned) + PROXY_LINGER)
    if every.candidate and (since := started_at(every.candidate)):
        moments.append(since + duration(case.spec.placement.timeout))
    waits = [
        (moment - case.observed.now).total_seconds() for moment in moments if moment and moment > case.observed.now
    ]
    return min(waits, default=None)


def started_at(to: Instance) -> datetime | None:
    """When the copy was asked for; a way back that is there already was not."""
    since = (to.claim or {}).get("metadata", {}).get("creationTimestamp") if not to.epoch else None
    return datetime.fromisoformat(since) if since else None
