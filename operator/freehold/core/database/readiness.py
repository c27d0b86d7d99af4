"""Readiness of a database: whether clients reach the server that owns the data."""

from __future__ import annotations

from freehold.core.database import topology
from freehold.core.model.case import Case, fact


@fact
def database_ready(case: Case) -> bool:
    """Whether the service can reach the server that owns the data, and it serves."""
    now, door = topology.primary(case), topology.proxy(case) or {}
    reached = not now.abroad or bool(door.get("status", {}).get("readyReplicas"))
    return topology.is_ready(now) and reached and not topology.data_moved_to(case)
