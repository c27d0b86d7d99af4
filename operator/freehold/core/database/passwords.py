"""Passwords of a database whose data moves between two Microservices.

Before the switchover the destination knows the password of the replication role alone, by which it replicates. After
the switchover it takes over the passwords of the service and of the schema's owner, since the data has them and pods of
the source still use them. The password of the superuser stays where it is. The server's Secret records the roles whose
passwords the counterpart knows (`meta.SHARED_PASSWORDS`): no other is handed over, and that of the replication role is
changed once the move is over or withdrawn.
"""

from __future__ import annotations

from collections.abc import Mapping

from freehold.core.database import connection, topology
from freehold.core.engines import Roles
from freehold.core.model.case import Case, fact
from freehold.core.model.resources import Object, Ref
from freehold.core.objects import meta, names
from freehold.core.peers import counterpart


@fact
def is_arriving(case: Case) -> bool:
    """Return whether the data is still at the counterpart, and is to move here."""
    return bool(topology.primary(case).counterpart) and counterpart.takes_data(case)


def is_awaited(case: Case, roles: Roles) -> bool:
    """Return whether a password is not known here yet, and comes from the counterpart with the data."""
    if is_arriving(case):
        return roles.replication not in lent(case)
    arrived = connection.came_from_counterpart(case)
    return arrived and any(in_use(case, role) is None for role in (roles.service, roles.owner))


def in_use(case: Case, role: str) -> str | None:
    """Return the password of a role of the data that moves or has moved, base64; None if not known here."""
    own, shared = _data(_secret(case)), lent(case)
    if topology.primary(case).counterpart:
        return shared.get(role) or own.get(role)
    arrived = connection.came_from_counterpart(case)
    return own.get(role) or (shared.get(role) if arrived else None)


def lent(case: Case) -> Mapping[str, str]:
    """Return the passwords of the counterpart's server, base64 by role; none that the counterpart has not recorded."""
    live = _counterpart_secret(case)
    return {role: value for role, value in _data(live).items() if role in recorded(live)}


def shared(case: Case, roles: Roles) -> frozenset[str]:
    """Return the roles of the own server whose passwords the counterpart knows, or is about to learn."""
    known = recorded(_secret(case))
    if not connection.is_connected(case):
        # Without a counterpart the record ends, so that the next one learns no password of the service before the data.
        return known if counterpart.of(case) else known & {roles.replication}
    exchanged = connection.came_from_counterpart(case) or (
        bool(topology.primary(case).counterpart) and not is_arriving(case)
    )
    return known | ({roles.replication, roles.service, roles.owner} if exchanged else {roles.replication})


def to_renew(case: Case, roles: Roles) -> frozenset[str]:
    """Return the roles whose passwords are to be changed, because the counterpart knows them and the move is over.

    The replication role's password changes as soon as no standby or database proxy uses it, and restarts nothing. Those
    of the service and of the owner stay: pods take a new one only by a restart, which would cost calls.
    """
    known = recorded(_secret(case))
    return frozenset() if connection.is_in_transition(case) else known & {roles.replication}


def recorded(secret: Object) -> frozenset[str]:
    """Return the roles whose passwords a server's Secret records as known to the counterpart."""
    annotations = secret.get("metadata", {}).get("annotations", {})
    return frozenset(str(annotations.get(meta.SHARED_PASSWORDS, "")).split())


def _secret(case: Case) -> Object:
    return case.observed.objects.get(Ref("Secret", names.server_secret(case.name)), {})


def _counterpart_secret(case: Case) -> Object:
    return counterpart.objects(case).get(Ref("Secret", names.server_secret(case.name)), {})


def _data(secret: Object) -> Mapping[str, str]:
    data: Mapping[str, str] = secret.get("data", {})
    return data
