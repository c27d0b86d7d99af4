"""Moves of users between zones, simulated: the resource, the cluster, and the steps of reconciliation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from freehold.core import reconcile as core
from freehold.core.model.case import Case
from freehold.core.model.resources import Object, Observed, Ref, Service
from freehold.core.objects import meta

from tests.unit.core.worlds import DATABASE, observed, placed, reconcile, service, settled

A, B = ({"nodeSelector": {"zone": zone}} for zone in "ab")
FIRST, SECOND = Ref("StatefulSet", "users-database"), Ref("StatefulSet", "users-database-2")
PROXY = Ref("StatefulSet", "users-database-proxy")
CLAIM, SECOND_CLAIM = (Ref("PersistentVolumeClaim", f"users-database-data{n}") for n in ("", "-2"))


def users(placement: Object, annotations: Object | None = None, **database: Any) -> Service:
    made = service("users", database={**DATABASE, **database}, placement=placement)
    return replace(made, annotations=annotations or {})


def at_rest(**database: Any) -> Observed:
    """Return the cluster with users at zone a, at rest."""
    return settled(users(A, **database), observed())


def steps(subject: Service, seen: Observed, most: int = 12) -> tuple[list[str], Observed]:
    """Reconcile until nothing changes; return the reasons of Relocated in order, and the last observation."""
    reasons: list[str] = []
    for _ in range(most):
        plans = reconcile(subject, seen)
        status = core.report(Case(subject, seen), plans).status
        after = replace(placed(seen, plans), status=status)
        reason = relocated(status).get("reason", "")
        reasons += [reason] if reason not in reasons[-1:] else []
        if after == seen:
            return reasons, seen
        seen = after
    raise AssertionError(f"does not come to rest: {reasons}")


def relocated(status: Any) -> Object:
    return next((c for c in status["conditions"] if c["type"] == "Relocated"), {})


def client_pod(seen: Observed) -> str:
    return str(seen.objects[Ref("Service", "users-database")]["spec"]["selector"][meta.POD_NAME])


def nodes(seen: Observed, ref: Ref) -> Object:
    selector: Object = seen.objects[ref]["spec"]["template"]["spec"].get("nodeSelector", {})
    return selector
