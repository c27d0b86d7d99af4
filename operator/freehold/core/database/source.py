"""The source of an instance's data. The engine turns a source into a start command."""

from __future__ import annotations

from freehold.core.database import topology
from freehold.core.database.instance import Instance, replica_of
from freehold.core.engines import New, Source
from freehold.core.model.case import Case


def of(case: Case, instance: Instance) -> Source:
    """Return the source of an instance: a standby replicates from the primary.

    After its promotion a primary keeps the source of its initial copy, if any, because a change would restart the
    server.
    """
    primary = topology.primary(case)
    return (instance.replicates_from or New()) if instance == primary else replica_of(case.service, primary)
