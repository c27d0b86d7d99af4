"""The turn of a database: whether a change of the platform may restart the server now."""

from __future__ import annotations

from datetime import timedelta

from freehold.core.database import platform_change, statefulset, topology
from freehold.core.database.instance import Instance, refs_of
from freehold.core.model.case import Case, fact
from freehold.core.model.resources import Object, Ref, Turn
from freehold.core.objects import names, troubles

STOPPED_AFTER = timedelta(minutes=10)
"""From the change of a server until people are told that no further database is changed."""


@fact
def of(case: Case) -> Turn:
    """Return whether the plan restarts a ready primary for a change of the platform."""
    if not _is_primary_changed(case) or _is_copying(case):
        return Turn.NONE
    return Turn.TAKEN if case.observed.database_turn else Turn.WAITING


@fact
def held(case: Case) -> frozenset[Ref]:
    """Return the objects that a change of the platform leaves as they are for now: servers, and their files."""
    if not _is_primary_changed(case) or of(case) is Turn.TAKEN:
        return frozenset()
    changed = [instance for instance in topology.local_instances(case) if _is_changed(case, instance)]
    running = [instance for instance in changed if not _trouble(case, instance)]
    servers = {ref for instance in running for ref in refs_of(case.service, instance) if ref.kind == "StatefulSet"}
    return frozenset({*servers, Ref("ConfigMap", names.database_configuration(case.name))})


def without(held: frozenset[Ref], objects: tuple[Object, ...]) -> tuple[Object, ...]:
    """Return the objects that are not held."""
    return tuple(body for body in objects if Ref(body["kind"], body["metadata"]["name"]) not in held)


def note(case: Case) -> str:
    """Return what a change of the platform waits for, or what waits for this database; empty without a change."""
    if held(case):
        return f"a change of the platform waits for {'its turn' if of(case) is Turn.WAITING else 'the end of the copy'}"
    if seconds_until_stopped(case) is None:
        return ""
    return "a change of the platform restarted the server, and other databases wait for this one"


def seconds_until_stopped(case: Case) -> float | None:
    """Return the seconds until the change of a server counts as stopped; None if no change is under way."""
    since = platform_change.under_way_since(topology.primary(case).server or {"metadata": {}})
    return (since + STOPPED_AFTER - case.observed.now).total_seconds() if since else None


@fact
def _is_primary_changed(case: Case) -> bool:
    """Return whether the platform changes a ready primary."""
    primary = topology.primary(case)
    return primary.is_ready and _is_changed(case, primary)


def _is_changed(case: Case, instance: Instance) -> bool:
    """Return whether the platform changes the server of a local instance."""
    database = case.spec.database
    if database is None or instance.counterpart or instance.server is None:
        return False
    if Ref("Secret", names.server_secret(case.name)) not in case.observed.objects:
        return False
    return platform_change.is_by_platform(instance.server, statefulset.statefulset(case, database, instance, ""))


def _is_copying(case: Case) -> bool:
    """Return whether a candidate copies the data, which a restart of either server would begin anew."""
    candidate = topology.of(case).candidate
    copies = candidate is not None and candidate.server is not None and not candidate.is_ready
    return bool(candidate and copies and not _trouble(case, candidate))


def _trouble(case: Case, instance: Instance) -> bool:
    """Return whether the pod of an instance does not run, so that a change may help."""
    return troubles.of_pods(topology.server_pods(case, instance), case.observed) is not None
