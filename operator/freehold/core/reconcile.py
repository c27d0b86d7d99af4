"""One reconcile of a service: the capabilities compute plans, and the plans' conditions become a status.

A capability reads the case (the declared service and all observations) and returns a plan: the capability's objects
and a condition. `core` does no I/O: `kube.observation` makes the observations, and `kube.apply` writes the objects.
After the plans are applied, a second reconcile changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from freehold.core import (
    certificates,
    contracts,
    credentials,
    database,
    dependencies,
    exposure,
    handover,
    isolation,
    latency,
    migrations,
    relocation,
    status,
    verification,
    workload,
)
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.events import Event
from freehold.core.model.resources import Observed, Plan

CAPABILITIES = (
    dependencies.plan,  # consumed services: addresses, call policy, consent
    isolation.plan,  # network policies
    latency.plan,  # latency budgets along the call graph
    credentials.plan,  # passwords of the database roles
    certificates.plan,  # TLS certificates, issued and renewed
    database.plan,  # a database server with a volume
    relocation.plan,  # moves to other nodes, namespaces and clusters
    contracts.plan,  # the gRPC contract of each image, checked before a rollout
    migrations.plan,  # the schema, migrated before new pods start
    workload.plan,  # the pods, and the Service in front
    handover.plan,  # the endpoint redirect after a move
    exposure.plan,  # the route from a Gateway
    verification.plan,  # attempted connections, which verify the isolation
)
"""All capabilities, in the order of their conditions in the status."""


def reconcile(case: Case) -> tuple[Plan, ...]:
    """Compute the plan of each capability."""
    return tuple(capability(case) for capability in CAPABILITIES)


@dataclass(frozen=True)
class Report:
    """A status to write after `pause` seconds, and the events to record with the status."""

    status: status.Status
    pause: float
    events: tuple[Event, ...]


def report(case: Case, plans: tuple[Plan, ...], refused: Condition | None = None) -> Report:
    """Fold the conditions of all plans into a status.

    refused: an object that the API server refused, as a condition. Replaces the plan's condition of the same type, or,
    with type Ready, the summary.
    """
    conditions = [_marked_if_stale(plan.condition, case.observed) for plan in plans if plan.condition]
    if refused and refused.type is not Type.READY:
        conditions = [*(c for c in conditions if c.type is not refused.type), refused]
        refused = None
    summary = refused or status.ready(conditions)
    more = {key: value for plan in plans for key, value in plan.status.items()}
    return _report(status.build(case, [summary, *conditions], more), case.observed.status, case.observed.now)


def _marked_if_stale(condition: Condition, observed: Observed) -> Condition:
    """Return condition Relocated with a note while the remote cluster is silent; other conditions unchanged."""
    if condition.type is not Type.RELOCATED or not observed.remote_note:
        return condition
    return replace(condition, message=f"{condition.message}; {observed.remote_note}")


def report_invalid(generation: int, before: Mapping[str, Any], now: datetime, fault: str) -> Report:
    """Report a resource with an invalid spec: only condition Ready, the rest of the status unchanged."""
    message = f"{fault}; running objects stay unchanged until the resource is corrected"
    ready = Condition(Type.READY, State.FALSE, Reason.INVALID_SPEC, message)
    wanted = {**before, "observedGeneration": generation}
    wanted["conditions"] = status.entries([ready], generation, before, now)
    return _report(wanted, before, now)


def report_unknown_cluster(generation: int, before: Mapping[str, Any], now: datetime, cause: str) -> Report:
    """Report that the counterpart in a remote cluster cannot be read; other conditions stay as they are.

    Before the first complete reconcile, condition Ready reports the cause as well.
    """
    message = f"{cause}; running objects stay unchanged until the cluster can be read"
    relocated = Condition(Type.RELOCATED, State.FALSE, Reason.CLUSTER_UNKNOWN, message)
    ready = Condition(Type.READY, State.FALSE, Reason.CLUSTER_UNKNOWN, message)
    kept = [entry for entry in before.get("conditions", []) if entry["type"] != Type.RELOCATED]
    fresh = [relocated] if kept else [ready, relocated]
    wanted = {**before, "observedGeneration": generation}
    wanted["conditions"] = [*kept, *status.entries(fresh, generation, before, now)]
    return _report(wanted, before, now)


def _report(wanted: status.Status, before: Mapping[str, Any], now: datetime) -> Report:
    if wanted == dict(before):
        return Report(wanted, 0.0, ())
    return Report(wanted, status.pause(before, wanted, now), status.events(before, wanted))
