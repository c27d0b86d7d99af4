"""Readiness of a database: whether clients reach the server that owns the data."""

from __future__ import annotations

from freehold.core.database import topology
from freehold.core.model.case import Case, fact


@fact
def database_ready(case: Case) -> bool:
    """Whether the service can reach the server that owns the data, and it serves."""
    now, door = topology.owner(case), topology.door(case) or {}
    reached = not now.abroad or bool(door.get("status", {}).get("readyReplicas"))
    return topology.serves(now) and reached and not topology.gone_to(case)
