"""Shadow: what the walls would cut, while none stands.

For moving a service that runs already behind walls: its policies are not written, an observer beside each container
tells which connections there are, and each is judged by what is declared.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from freehold.core.model.resources import Observed, Service, Sighting
from freehold.core.objects import meta, names
from freehold.core.peers import consent, gateways

DNS_PORT = 53
NAMED = 5
"""Connections a message names."""


def said(service: Service, observed: Observed) -> str:
    """What would be cut: connections that were seen, and what is declared without the provider's consent."""
    listed = sorted(set(_seen(service, observed)) | set(_refused(service, observed)))
    if not listed:
        return "no wall stands (isolation: Shadow); Enforced would cut nothing of what was seen so far"
    more = f" and {len(listed) - NAMED} more" if len(listed) > NAMED else ""
    return f"no wall stands (isolation: Shadow); Enforced would cut: {'; '.join(listed[:NAMED])}{more}"


def _seen(service: Service, observed: Observed) -> Iterator[str]:
    for one in observed.connections:
        mine = names.database(service.name) if one.component == meta.DATABASE else service.name
        if one.direction == "in" and not _may_come(service, observed, one):
            yield f"{_who(one)} → {mine}:{one.port}{_unless(service, one)}"
        if one.direction == "out" and not _may_go(service, observed, one):
            yield f"{mine} → {_who(one)}:{one.port}"


def _who(one: Sighting) -> str:
    """The other side, by name where it is known."""
    if one.who is None:
        return one.peer
    key, component = one.who
    return str(key) if component == meta.SERVICE else f"{key}-{component}"


def _unless(service: Service, one: Sighting) -> str:
    """A Gateway's proxies are pods that are not watched, and so not known by their addresses."""
    grpc, through = service.spec.grpc, gateways.proxies(service)
    if one.who or one.component != meta.SERVICE or not grpc or one.port != grpc.port or not through:
        return ""
    return f" (unless it is of {through})"


def _may_come(service: Service, observed: Observed, one: Sighting) -> bool:
    spec = service.spec
    if one.component == meta.DATABASE:
        return one.who in [(service.key, component) for component in (meta.SERVICE, meta.MIGRATIONS)]
    if spec.http and one.port == spec.http.port:
        return True
    admitted = [(key, meta.SERVICE) for key in consent.consumers(service, observed)]
    return spec.grpc is not None and one.port == spec.grpc.port and one.who in admitted


def _may_go(service: Service, observed: Observed, one: Sighting) -> bool:
    if one.component == meta.DATABASE:
        return False
    if one.port == DNS_PORT or one.who == (service.key, meta.DATABASE):
        return True
    if one.who is None:
        return _is_outside(service, one)
    consumed = [c for c in service.spec.consumes if consent.refusal(service, c, observed) is None]
    ports = [(c, consent.provider_port(service, c, observed)) for c in consumed]
    ways = [(key, port) for c, port in ports for key in consent.ways(service, c, observed)]
    key, component = one.who
    return component == meta.SERVICE and (key, one.port) in ways


def _is_outside(service: Service, one: Sighting) -> bool:
    """Whether spec.egress names it."""
    named = (e for e in service.spec.egress if e.protocol == "TCP" and one.port in e.ports)
    return any(ip_address(one.peer) in ip_network(outside.cidr, strict=False) for outside in named)


def _refused(service: Service, observed: Observed) -> Iterator[str]:
    for consumed in service.spec.consumes:
        if refusal := consent.refusal(service, consumed, observed):
            yield f"{service.name} → {consent.provider_key(service, consumed)}, as {refusal[1]}"
