"""Counterparts: two Microservices of the same name in two namespaces or clusters that take part in a move.

Both declare the move (`peers/aliases.py`), so each side observes the objects of the other and does its own part. The
claim with the highest epoch identifies the primary; the source's spec.placement decides where the primary is to be.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

from freehold.core import engines
from freehold.core.model import remote
from freehold.core.model.case import Case, fact
from freehold.core.model.resources import Key, Object, Peer, Ref, Service
from freehold.core.objects import meta, names

OWNED = frozenset({"StatefulSet", "Job"})
"""Kinds that a Microservice always owns, unlike volumes and network policies."""


@fact
def with_database(case: Case) -> Key | None:
    """Return the counterpart if both declare the move and the same database; else None."""
    other = of(case)
    peer = case.observed.peers.get(other) if other else None
    return other if peer and not incompatibility(case.service, peer) else None


@fact
def of(case: Case) -> Key | None:
    """Return the counterpart, as source or destination, if both declare the move; else None."""
    destination = case.observed.aliases.get(case.key)
    return destination or next((old for old, new in case.observed.aliases.items() if new == case.key), None)


@fact
def objects(case: Case) -> Mapping[Ref, Object]:
    """Return the counterpart's objects, without servers and Jobs that the counterpart's Microservice does not own.

    Whoever may create objects in the counterpart's namespace may also label them.
    """
    other = of(case)
    peer = case.observed.peers.get(other) if other else None
    uid = peer.uid if peer else ""
    live = case.observed.counterpart.items()
    return {ref: body for ref, body in live if ref.kind not in OWNED or meta.controller_uid(body) == uid}


@fact
def in_remote_cluster(case: Case) -> Key | None:
    """Return the counterpart if it is in another cluster; else None."""
    other = of(case)
    return other if other and remote.is_remote(other.namespace) else None


def incompatibility(service: Service, peer: Peer) -> str:
    """Return why the databases of a service and the counterpart differ; empty if equal."""
    own = engines.describe(service.spec.database)
    if own == peer.database:
        return ""
    differing = f"{peer.key} has {peer.database or 'no database'}, {service.key} has {own or 'no database'}"
    return f"{differing}; give both the same spec.database"


@fact
def untrusted(case: Case) -> str:
    """Return why the instances of two clusters do not trust each other's certificates; empty if they do."""
    other = in_remote_cluster(case)
    if other is None:
        return ""
    secret = case.observed.counterpart.get(Ref("Secret", names.server_certificate(case.name)), {})
    bundle = base64.b64decode(secret.get("data", {}).get(names.CA_FILE, "")).decode()
    if not bundle or _certificates(bundle) & _certificates(case.observed.authority.trusted):
        return ""
    differing = f"{remote.describe(other.namespace)} trusts another certificate authority"
    return f"{differing}; copy Secret freehold-ca between the operators' namespaces and restart the receiving operator"


def _certificates(bundle: str) -> set[str]:
    """Return the certificates of a PEM bundle."""
    return {part.strip() for part in bundle.split("-----BEGIN CERTIFICATE-----") if part.strip()}


def takes_data(case: Case) -> bool:
    """Return whether the primary is to be on the service's side, as the source of the move declares."""
    if case.key in case.observed.aliases:
        return remote.destination(case.spec.placement, case.namespace) == case.namespace
    other = of(case)
    return bool(other and case.observed.peers[other].destination == case.namespace)
