"""The source of an instance's data: one choice, made here. The engine turns a source into a start."""

from __future__ import annotations

from freehold.core.database import topology
from freehold.core.database.instance import Instance, replica_of
from freehold.core.engines import New, Source
from freehold.core.model.case import Case


def of(case: Case, instance: Instance) -> Source:
    """The source of an instance: a standby replicates from the primary.

    The primary keeps the source it was made from, if any, after its promotion: a change would restart the server.
    """
    primary = topology.primary(case)
    return (instance.follows or New()) if instance == primary else replica_of(case.service, primary)
