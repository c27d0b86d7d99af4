"""Pairs: a service with a database and the one of its name, in another namespace, that its data goes to or came from.

Both declare the move (`peers/aliases.py`), so each side sees the other's servers and does its own part. Whose the data
is says the volume with the highest turn, wherever it stands; who is to have it says the resource that goes.
"""

from __future__ import annotations

import base64

from freehold.core import engines
from freehold.core.model import remote
from freehold.core.model.case import Case, fact
from freehold.core.model.resources import Key, Peer, Ref, Service
from freehold.core.objects import names


@fact
def with_database(case: Case) -> Key | None:
    """The other side, where both agree and have databases of one kind."""
    other = of(case)
    peer = case.observed.peers.get(other) if other else None
    return other if peer and not incompatibility(case.service, peer) else None


@fact
def of(case: Case) -> Key | None:
    """The service that it moves to, or took over from, where both agree."""
    going = case.observed.aliases.get(case.key)
    return going or next((old for old, new in case.observed.aliases.items() if new == case.key), None)


@fact
def in_remote_cluster(case: Case) -> Key | None:
    """The other side, where it stands in another cluster."""
    other = of(case)
    return other if other and remote.is_remote(other.namespace) else None


def incompatibility(service: Service, peer: Peer) -> str:
    """Why the data of one cannot become the other's."""
    mine = engines.describe(service.spec.database)
    if mine == peer.database:
        return ""
    here, there = mine or "no database", peer.database or "no database"
    return f"{peer.key} has {there}, and {service.key} {here}; give both the same spec.database"


@fact
def untrusted(case: Case) -> str:
    """Why the servers of two clusters cannot know each other: each trusts another authority. Empty where they can."""
    other = in_remote_cluster(case)
    if other is None:
        return ""
    there = case.observed.counterpart.get(Ref("Secret", names.server_certificate(case.name)), {}).get("data", {})
    known = base64.b64decode(there.get(names.CA_FILE, "")).decode()
    if not known or _certificates(known) & _certificates(case.observed.authority.trusted):
        return ""
    where = remote.describe(other.namespace)
    said = f"{where} trusts another certificate authority: copy Secret freehold-ca between the operators' namespaces"
    return f"{said} and restart the operator that gets it"


def _certificates(bundle: str) -> set[str]:
    """Each of a bundle, PEM."""
    return {part.strip() for part in bundle.split("-----BEGIN CERTIFICATE-----") if part.strip()}


def takes_data(case: Case) -> bool:
    """Whether this side is to own the data of the two: where the one that goes no longer says so, that one is."""
    if case.key in case.observed.aliases:
        return remote.destination(case.spec.placement, case.namespace) == case.namespace
    other = of(case)
    return bool(other and case.observed.peers[other].destination == case.namespace)
