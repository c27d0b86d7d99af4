"""Objects of a move beside the primary: the standby, its volume, the database proxy and the rollback standbys."""

from __future__ import annotations

from datetime import datetime, timedelta

from freehold.api.v1alpha1.database import Database, DeletionPolicy
from freehold.core.database import passwords, rollback, statefulset, topology, volume
from freehold.core.database.instance import Instance, dataset_of, refs_of
from freehold.core.model.case import Case
from freehold.core.model.quantities import duration
from freehold.core.model.resources import Object, Observed, Plan, Ref
from freehold.core.objects import meta, names, pods
from freehold.core.relocation import workloads

CAPABILITY = "relocation"
PROXY_LINGER = timedelta(seconds=10)
"""From the switchover until every node routes the database's clients to the new primary."""


def objects(case: Case, database: Database, candidate: Instance) -> tuple[Object, ...]:
    """Return claim and server of the candidate, and the database proxy if the primary is local."""
    primary = topology.primary(case)
    claim = volume.claim(case, database, candidate, CAPABILITY, ownership(primary, candidate))
    server = statefulset.statefulset(case, database, candidate, CAPABILITY)
    if primary.counterpart:
        return claim, server
    return claim, server, workloads.proxy(case, database, primary, candidate, CAPABILITY)


def ownership(primary: Instance, instance: Instance) -> dict[str, str]:
    """Return the ownership annotations of an instance that is not primary: its last epoch, 0 before any promotion,
    and the dataset of the primary."""
    return {meta.EPOCH: str(instance.epoch), meta.DATASET_ID: dataset_of(primary.claim) if primary.claim else ""}


def rollback_standbys(case: Case, database: Database) -> tuple[Object, ...]:
    """Return the servers of the rollback standbys, which replicate from the primary."""
    standbys = topology.of(case).rollback_standbys
    return tuple(statefulset.statefulset(case, database, instance, CAPABILITY) for instance in standbys)


def kept(case: Case, more: frozenset[Ref]) -> frozenset[Ref]:
    """Return what stays unchanged: primary, rollback standbys and more, as far as this capability owns the objects."""
    state = topology.of(case)
    instances = (state.primary, *state.rollback_standbys)
    servers = frozenset(ref for instance in instances for ref in refs_of(case.service, instance))
    return frozenset(ref for ref in servers | more if _is_ours(case.observed, ref))


def unchanged(case: Case) -> Plan:
    """Return a plan that leaves all objects of this capability as they are."""
    return Plan(CAPABILITY, (), keep=frozenset(ref for ref in case.observed.objects if _is_ours(case.observed, ref)))


def _is_ours(observed: Observed, ref: Ref) -> bool:
    labels = observed.objects.get(ref, {}).get("metadata", {}).get("labels", {})
    return bool(labels.get(meta.CAPABILITY) == CAPABILITY)


def proxy_in_use(case: Case) -> frozenset[Ref]:
    """Return the database proxy while clients may use it, whatever the move waits for.

    After a switchover the proxy stays until the sessions that began through it have ended by themselves, but not
    while a counterpart knows the password of the replication role.
    """
    promoted = topology.primary(case).annotation(meta.PROMOTED_AT)
    recent = bool(promoted) and case.observed.now < datetime.fromisoformat(promoted) + PROXY_LINGER
    lingers = recent or (bool(promoted) and _has_sessions(case))
    stays = topology.clients_use_proxy(case) or (topology.of(case).candidate is None and lingers)
    return frozenset({Ref("StatefulSet", names.proxy(case.name))}) if stays else frozenset()


def _has_sessions(case: Case) -> bool:
    """Return whether a ready proxy has sessions, or has not reported yet, as after a restart of the operator."""
    secret = case.observed.objects.get(Ref("Secret", names.server_secret(case.name)), {})
    if topology.usable_counterpart(case) or passwords.recorded(secret):
        return False
    ready = (pod for pod in case.observed.pods if pod["metadata"]["name"] == names.proxy_pod(case.name))
    return any(map(pods.is_ready, ready)) and bool(case.observed.copy_progress.get("in_use", True))


def discarded(case: Case, database: Database) -> frozenset[Ref]:
    """Return the claims to delete: copies that were never primary and, with Delete, old primaries after the rollback
    window."""
    deletes = database.deletion_policy is DeletionPolicy.DELETE
    unused = [instance for instance in topology.of(case).obsolete if not instance.epoch or deletes]
    metadata = (instance.claim["metadata"] for instance in unused if instance.claim)
    return frozenset(Ref("PersistentVolumeClaim", m["name"]) for m in metadata if "deletionTimestamp" not in m)


def next_deadline(case: Case) -> float | None:
    """Return the seconds until the proxy, the rollback window or the move's timeout ends; None without any."""
    state = topology.of(case)
    moments = [topology.rollback_until(case), rollback.deadline(case)] if state.rollback_standbys else []
    promoted = state.primary.annotation(meta.PROMOTED_AT)
    if promoted and topology.proxy(case):
        moments.append(datetime.fromisoformat(promoted) + PROXY_LINGER)
    if state.candidate and (started := started_at(state.candidate)):
        moments.append(started + duration(case.spec.placement.timeout))
    waits = [(moment - case.observed.now).total_seconds() for moment in moments if moment]
    return min((seconds for seconds in waits if seconds > 0), default=None)


def started_at(candidate: Instance) -> datetime | None:
    """Return when the candidate's claim was created; None for a rollback standby, which needs no copy."""
    created = (candidate.claim or {}).get("metadata", {}).get("creationTimestamp") if not candidate.epoch else None
    return datetime.fromisoformat(created) if created else None
