"""Connections between database pods: within a move, and with the counterpart of a move."""

from __future__ import annotations

from freehold.core.database import topology
from freehold.core.model import remote
from freehold.core.model.case import Case, fact
from freehold.core.model.resources import Ref
from freehold.core.objects import names
from freehold.core.peers import aliases, counterpart


def is_in_transition(case: Case) -> bool:
    """Return whether a second server or a database proxy exists, also at the counterpart, or a move is to start."""
    servers = [instance for instance in topology.local_instances(case) if instance.server]
    return len(servers) > 1 or bool(topology.proxy(case)) or is_connected(case) or topology.is_moving(case)


@fact
def is_connected(case: Case) -> bool:
    """Return whether the database pods of both sides may connect to each other.

    From the agreement on a move until the rollback window and the database proxy have ended, or until the tie of a
    withdrawn move ends (`handover/withdrawal.py`).
    """
    if topology.usable_counterpart(case) is None:
        return False
    primary, until = topology.primary(case), topology.rollback_until(case)
    recent = until is not None and case.observed.now < until
    standbys = (
        any(instance.server for instance in topology.local_instances(case))
        if primary.counterpart
        else recent and bool(topology.remote_standbys(case))
    )
    proxied = Ref("StatefulSet", names.proxy(case.name)) in {*case.observed.objects, *counterpart.objects(case)}
    target = case.observed.aliases.get(case.key)
    withdrawn = target not in (None, aliases.destination(case.service)) and bool(topology.remote_standbys(case))
    return standbys or proxied or withdrawn or topology.is_misplaced(case) or topology.is_handing_over(case)


@fact
def came_from_counterpart(case: Case) -> bool:
    """Return whether the primary is local and was last a standby of the counterpart's server."""
    primary, other = topology.primary(case), counterpart.of(case)
    if primary.counterpart or other is None or primary.replicates_from is None:
        return False
    pod, _, nodes = primary.replicates_from.host.partition(".")
    is_remote = pod.endswith(names.REMOTE_SUFFIX)
    home = names.host(names.database_nodes(case.name), other.namespace)
    return nodes == home and is_remote == remote.is_remote(other.namespace)
