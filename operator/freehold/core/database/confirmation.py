"""Confirmation of ownership by the servers themselves.

Outcomes of switchovers and epochs are read from objects that the tenants of a namespace can write. The database proxy
of the source asks the servers; a claim of ownership that its report contradicts is not believed. Without a report, as
after the end of the proxy, the objects alone count.
"""

from __future__ import annotations

from freehold.core.database.instance import Instance, host_of
from freehold.core.model.case import Case


def is_denied(case: Case, instance: Instance) -> bool:
    """Return whether the database proxy reports that another server than the instance's accepts writes."""
    servers = case.observed.copy_progress.get("servers")
    states = servers.items() if isinstance(servers, dict) else ()
    writable = {host for host, state in states if isinstance(state, dict) and state.get("writable") is True}
    return bool(writable) and host_of(case.service, instance) not in writable
