"""What Freehold does for a service, on one screen.

Each capability looks at the service and at what is observed, and says what should be. Nothing here touches the cluster:
`cluster.observe` makes the observation, `cluster.apply` brings it about. Run again on the result, the same code asks
for nothing.
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
from freehold.core.model.conditions import Condition, Event, Reason, State, Type
from freehold.core.model.resources import Observed, Plan

CAPABILITIES = (
    dependencies.plan,  # whom it calls, and whether they consent
    isolation.plan,  # walls, before anything that could reach through them
    latency.plan,  # whether what its calls may take fits into what it promises
    credentials.plan,  # made once, kept
    certificates.plan,  # what it proves itself with, renewed in time
    database.plan,  # a server of its own
    relocation.plan,  # somewhere else, with all of it
    contracts.plan,  # what its image offers, and whom that would break
    migrations.plan,  # its schema, before its pods
    workload.plan,  # its pods, behind a name that never changes
    handover.plan,  # its name, once it stands in another namespace
    exposure.plan,  # the way in from outside the cluster
    verification.plan,  # whether the walls stand, by trying
)


def reconcile(case: Case) -> tuple[Plan, ...]:
    """What every capability wants."""
    return tuple(capability(case) for capability in CAPABILITIES)


@dataclass(frozen=True)
class Report:
    """What to tell people: a status, to be written after `pause` seconds, and with it these events."""

    status: status.Status
    pause: float
    events: tuple[Event, ...]


def report(case: Case, plans: tuple[Plan, ...], refused: Condition | None = None) -> Report:
    """Fold what the capabilities say. refused: what the cluster said no to, which stands for what the capability says,
    or for Ready itself, which then repeats it."""
    conditions = [_as_last_seen(plan.condition, case.observed) for plan in plans if plan.condition]
    if refused and refused.type is not Type.READY:
        conditions = [*(c for c in conditions if c.type is not refused.type), refused]
        refused = None
    summary = refused or status.ready(conditions)
    more = {key: value for plan in plans for key, value in plan.shown.items()}
    return _report(status.build(case, [summary, *conditions], more), case.observed.status, case.observed.now)


def _as_last_seen(condition: Condition, observed: Observed) -> Condition:
    """What is said of a move, with a word on what it may be missing."""
    if condition.type is not Type.RELOCATED or not observed.silent_cluster:
        return condition
    return replace(
        condition, message=f"{condition.message}; as last seen, for nothing is heard of {observed.silent_cluster}"
    )


def report_invalid(generation: int, before: Mapping[str, Any], now: datetime, fault: str) -> Report:
    """For a resource that cannot be read: it says so itself, and what runs goes on as it is."""
    said = f"{fault}; what runs goes on unchanged until the resource is corrected"
    condition = Condition(Type.READY, State.FALSE, Reason.INVALID_SPEC, said)
    wanted = {**before, "observedGeneration": generation}
    wanted["conditions"] = status.entries([condition], generation, before, now)
    return _report(wanted, before, now)


def report_held(generation: int, before: Mapping[str, Any], now: datetime, why: str) -> Report:
    """For one whose other side, in another cluster, cannot be seen: all stays as it is, and as it was said to be."""
    said = f"{why}; what runs goes on unchanged until it is"
    condition = Condition(Type.RELOCATED, State.FALSE, Reason.CLUSTER_UNKNOWN, said)
    known = [entry for entry in before.get("conditions", []) if entry["type"] != Type.RELOCATED]
    wanted = {**before, "observedGeneration": generation}
    unready = Condition(Type.READY, State.FALSE, Reason.CLUSTER_UNKNOWN, said)
    fresh = [condition] if known else [unready, condition]
    wanted["conditions"] = [*known, *status.entries(fresh, generation, before, now)]
    return _report(wanted, before, now)


def _report(wanted: status.Status, before: Mapping[str, Any], now: datetime) -> Report:
    if wanted == dict(before):
        return Report(wanted, 0.0, ())
    return Report(wanted, status.pause(before, wanted, now), status.events(before, wanted))
