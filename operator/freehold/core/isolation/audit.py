"""Audit: what the walls would cut, while none stands.

For moving a service that runs already behind walls: its policies are not written, an observer beside each container
tells which connections there are, and each is judged by what is declared.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from freehold.core.model.case import Case
from freehold.core.model.resources import ObservedConnection, Service
from freehold.core.objects import meta, names
from freehold.core.peers import consent, gateways

DNS_PORT = 53
NAMED = 5
"""Connections a message names."""


def findings(case: Case) -> str:
    """What would be cut: connections that were seen, and what is declared without the provider's consent."""
    listed = sorted(set(_connections(case)) | set(_refused(case)))
    if not listed:
        return "no wall stands (isolation: Audit); Enforced would cut nothing of what was seen so far"
    more = f" and {len(listed) - NAMED} more" if len(listed) > NAMED else ""
    return f"no wall stands (isolation: Audit); Enforced would cut: {'; '.join(listed[:NAMED])}{more}"


def _connections(case: Case) -> Iterator[str]:
    for one in case.observed.connections:
        mine = names.database(case.name) if one.component == meta.DATABASE else case.name
        if one.direction == "in" and not _may_enter(case, one):
            yield f"{_describe_peer(one)} → {mine}:{one.port}{_required_edit(case.service, one)}"
        if one.direction == "out" and not _may_leave(case, one):
            yield f"{mine} → {_describe_peer(one)}:{one.port}"


def _describe_peer(one: ObservedConnection) -> str:
    """The other side, by name where it is known."""
    if one.who is None:
        return one.peer
    key, component = one.who
    return str(key) if component == meta.SERVICE else f"{key}-{component}"


def _required_edit(service: Service, one: ObservedConnection) -> str:
    """A Gateway's proxies are pods that are not watched, and so not known by their addresses."""
    grpc, through = service.spec.grpc, gateways.proxies(service)
    if one.who or one.component != meta.SERVICE or not grpc or one.port != grpc.port or not through:
        return ""
    return f" (unless it is of {through})"


def _may_enter(case: Case, one: ObservedConnection) -> bool:
    spec = case.spec
    if one.component == meta.DATABASE:
        return one.who in [(case.key, component) for component in (meta.SERVICE, meta.MIGRATIONS)]
    if spec.http and one.port == spec.http.port:
        return True
    admitted = [(key, meta.SERVICE) for key in consent.consumers(case)]
    return spec.grpc is not None and one.port == spec.grpc.port and one.who in admitted


def _may_leave(case: Case, one: ObservedConnection) -> bool:
    if one.component == meta.DATABASE:
        return False
    if one.port == DNS_PORT or one.who == (case.key, meta.DATABASE):
        return True
    if one.who is None:
        return _is_outside(case.service, one)
    consumed = [c for c in case.spec.consumes if consent.refusal(case, c) is None]
    ports = [(c, consent.provider_port(case, c)) for c in consumed]
    ways = [(key, port) for c, port in ports for key in consent.provider_locations(case, c)]
    key, component = one.who
    return component == meta.SERVICE and (key, one.port) in ways


def _is_outside(service: Service, one: ObservedConnection) -> bool:
    """Whether spec.egress names it."""
    named = (e for e in service.spec.egress if e.protocol == "TCP" and one.port in e.ports)
    return any(ip_address(one.peer) in ip_network(outside.cidr, strict=False) for outside in named)


def _refused(case: Case) -> Iterator[str]:
    for consumed in case.spec.consumes:
        if refusal := consent.refusal(case, consumed):
            yield f"{case.name} → {consent.provider_key(case.service, consumed)}, as {refusal[1]}"
