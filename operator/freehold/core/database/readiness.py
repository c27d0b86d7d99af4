"""Readiness of a database: whether clients reach the primary."""

from __future__ import annotations

from freehold.core.database import loss, topology
from freehold.core.model.case import Case, fact


@fact
def database_ready(case: Case) -> bool:
    """Return whether the primary accepts connections from the service.

    The database proxy is the path to a primary of the counterpart.
    """
    primary, proxy = topology.primary(case), topology.proxy(case) or {}
    reachable = not primary.counterpart or bool(proxy.get("status", {}).get("readyReplicas"))
    return primary.is_ready and reachable and not topology.data_moved_to(case) and not loss.found(case)
