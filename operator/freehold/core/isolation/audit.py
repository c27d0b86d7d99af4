"""Audit mode: report the connections that network policies would cut.

Audit mode prepares a running service for network policies: no policy is written, an observer container in each pod
lists TCP connections, and each connection is compared with the declarations.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from freehold.core.model import dns, messages
from freehold.core.model.case import Case
from freehold.core.model.resources import ObservedConnection, Service
from freehold.core.objects import meta, names
from freehold.core.peers import consent, gateways

NAMED = 5
"""The number of connections that a message lists."""


def findings(case: Case) -> str:
    """Return the message on undeclared connections, and on declared providers that do not consent."""
    listed = sorted(set(_connections(case)) | set(_refused(case)))
    if not listed:
        return "no network policy exists (isolation: Audit); Enforced would cut none of the connections observed so far"
    cut = messages.listed(listed, NAMED, "; ")
    return f"no network policy exists (isolation: Audit); Enforced would cut: {cut}"


def _connections(case: Case) -> Iterator[str]:
    for connection in case.observed.connections:
        name = names.database(case.name) if connection.component == meta.DATABASE else case.name
        if connection.direction == "in" and not _may_enter(case, connection):
            yield f"{_describe_peer(connection)} → {name}:{connection.port}{_exception(case.service, connection)}"
        if connection.direction == "out" and not _may_leave(case, connection):
            yield f"{name} → {names.address(_describe_peer(connection), connection.port)}"


def _describe_peer(connection: ObservedConnection) -> str:
    """Return the name of the peer if known, else the address."""
    if connection.peer_service is None:
        return connection.peer
    key, component = connection.peer_service
    return str(key) if component == meta.SERVICE else f"{key}-{component}"


def _exception(service: Service, connection: ObservedConnection) -> str:
    """Return a note for a connection that may come from a Gateway, whose proxy pods are not watched; else empty."""
    grpc, proxies = service.spec.grpc, gateways.proxies(service)
    if not grpc or not proxies or connection.component != meta.SERVICE:
        return ""
    return "" if connection.peer_service or connection.port != grpc.port else f" (unless from {proxies})"


def _may_enter(case: Case, connection: ObservedConnection) -> bool:
    spec = case.spec
    if connection.component == meta.DATABASE:
        return connection.peer_service in [(case.key, component) for component in (meta.SERVICE, meta.MIGRATIONS)]
    if spec.http and connection.port == spec.http.port:
        return True
    admitted = [(key, meta.SERVICE) for key in consent.consumers(case)]
    return spec.grpc is not None and connection.port == spec.grpc.port and connection.peer_service in admitted


def _may_leave(case: Case, connection: ObservedConnection) -> bool:
    if connection.component == meta.DATABASE:
        return False
    if connection.port == dns.PORT or connection.peer_service == (case.key, meta.DATABASE):
        return True
    if connection.peer_service is None:
        return _is_outside(case.service, connection)
    consumed = [c for c in case.spec.consumes if consent.refusal(case, c) is None]
    ports = [(c, consent.provider_port(case, c)) for c in consumed]
    targets = [(key, port) for c, port in ports for key in consent.provider_locations(case, c)]
    key, component = connection.peer_service
    return component == meta.SERVICE and (key, connection.port) in targets


def _is_outside(service: Service, connection: ObservedConnection) -> bool:
    """Return whether spec.egress allows a connection."""
    blocks = (block for block in service.spec.egress if block.protocol == "TCP" and connection.port in block.ports)
    return any(ip_address(connection.peer) in ip_network(block.cidr, strict=False) for block in blocks)


def _refused(case: Case) -> Iterator[str]:
    for consumed in case.spec.consumes:
        if refusal := consent.refusal(case, consumed):
            yield f"{case.name} → {consent.provider_key(case.service, consumed)} ({refusal[1]})"
