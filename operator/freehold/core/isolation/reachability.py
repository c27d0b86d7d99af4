"""Reach: who may open a connection to what, as declared, and what that hangs on.

The walls of `isolation/plan.py` as one standing outside sees them: the same declarations and the same consent, asked
about one pair at a time. A connection is open when what judges the source and what judges the door both let it pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from ipaddress import ip_network
from typing import NamedTuple

from freehold.api.v1alpha1.grpc import ConsumersFrom
from freehold.core.model.resources import Key, Service
from freehold.core.objects import meta, names, observer
from freehold.core.peers import aliases, consent, gateways
from freehold.core.peers.gateways import Proxies
from freehold.core.peers.ports import Part, ServicePort

PODS = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")))
"""Where pods' addresses may be: those not routed outside (RFC 1918, RFC 6598, RFC 4193)."""


class Access(StrEnum):
    """UNKNOWN: what it hangs on could not be read."""

    OPEN = "Open"
    CLOSED = "Closed"
    UNKNOWN = "Unknown"


Source = Service | Proxies | None
"""Who opens a connection: a service, a Gateway's proxies, or a stranger, any other pod that is not Freehold's."""


class Check(NamedTuple):
    """One thing a connection hangs on: a declaration, a consent, or a network policy made of both."""

    about: str
    way: Access
    said: str


class Verdict(NamedTuple):
    """Whether a connection is open, on which grounds, and what to write where to open one that is not."""

    way: Access
    grounds: tuple[Check, ...]
    remedies: tuple[str, ...] = ()


def proxies(services: Iterable[Service]) -> tuple[Proxies, ...]:
    """All through whom any of these services is exposed."""
    return tuple(sorted({through for one in services if (through := gateways.proxies(one))}))


def verdict(
    source: Source,
    door: ServicePort,
    services: Mapping[Key, Service],
    namespace_labels: Mapping[str, Mapping[str, str]],
) -> Verdict | None:
    """Whether `source` may open a connection to a door of one of these services.

    namespace_labels: of the namespaces whose labels are known; consent by selector to any other is unknown. None: a
    service and its own endpoint or page; nobody asks.
    """
    provider = services[door.service]
    if isinstance(source, Proxies):
        if door.part is Part.ENDPOINT:
            return _without_policies(None, provider, door, _from_gateway(source, provider, door))
        source = None
    if door.part is Part.DATABASE:
        return _without_policies(source, provider, door, _to_database(source, door, provider))
    if source and source.key == door.service:
        return None
    if door.part is Part.PAGE:
        return _without_policies(source, provider, door, _to_http(source, door))
    return _without_policies(source, provider, door, _to_endpoint(source, provider, door, services, namespace_labels))


def _without_policies(source: Service | None, provider: Service, door: ServicePort, walled: Verdict) -> Verdict:
    """The verdict, unless what would refuse the connection is a wall that does not stand yet (isolation: Audit)."""
    sides = {"out": source, "in": provider}
    missing = {about: one.key for about, one in sides.items() if one and observer.is_audited(one)}
    grounds = tuple(ground for ground in walled.grounds if ground.about not in missing)
    leaves, enters = source is None or "out" in missing, door.part is Part.PAGE or "in" in missing
    if walled.way is not Access.OPEN and enters and source and not leaves and _by_address(source, door):
        return walled._replace(way=Access.UNKNOWN, grounds=grounds)
    if walled.way is Access.OPEN or not (leaves and enters):
        return walled._replace(grounds=grounds)
    around = " and ".join(dict.fromkeys(map(str, missing.values())))
    said = f"no wall stands around {around} (isolation: Audit); one would cut it"
    return Verdict(Access.OPEN, (Check("shadow", Access.OPEN, said), *grounds))


def _to_database(source: Service | None, door: ServicePort, provider: Service) -> Verdict:
    owner = door.service
    way = Access.OPEN if source and source.key == owner else Access.CLOSED
    said = f"the database of {owner} admits {owner} and its migrations alone (spec.database)"
    grounds = (Check("owner", way, said), *_policies(source, door, way, way))
    return Verdict(way, grounds, (_owner_check(provider),) if way is Access.CLOSED else ())


def _owner_check(owner: Service) -> str:
    """The way to what a database holds: by asking its owner."""
    none = "No field opens it: a database has one owner."
    if owner.spec.grpc is None:
        return f"{none} {owner.key} has no endpoint either; spec.grpc gives it one, at which to tell what others need."
    endpoint = names.endpoint(owner.key, owner.spec.grpc.port)
    return f"{none} What others need of its data, {owner.key} tells at its endpoint, {endpoint}."


def _to_http(source: Service | None, door: ServicePort) -> Verdict:
    said = f"the page of {door.service} admits every caller (spec.http)"
    admits = Check("page", Access.OPEN, said)
    if source is None:
        return Verdict(Access.OPEN, (admits, *_policies(source, door, Access.OPEN, Access.OPEN)))
    if _by_address(source, door):
        said = f"spec.egress of {source.key} names addresses that pods may have, which network plugins take differently"
        grounds = (
            Check("declared", Access.UNKNOWN, said),
            admits,
            *_policies(source, door, Access.UNKNOWN, Access.OPEN),
        )
        return Verdict(
            Access.UNKNOWN, grounds, (f"Narrow spec.egress of {source.key} to addresses outside the cluster.",)
        )
    said = f"{source.key} reaches DNS, its own database, what it consumes, and outside the cluster what it names"
    grounds = (Check("declared", Access.CLOSED, said), admits, *_policies(source, door, Access.CLOSED, Access.OPEN))
    remedy = f"No field opens a page to a service: what it needs of {door.service} goes over gRPC (spec.consumes)."
    return Verdict(Access.CLOSED, grounds, (remedy,))


def _by_address(source: Service, door: ServicePort) -> bool:
    """Whether a block in spec.egress may hold the addresses of pods; what it then admits is undefined.

    (networking.k8s.io/v1, ipBlock: "should be cluster-external IPs".) Other doors than pages are shut from within.
    """
    named = (block for block in source.spec.egress if block.protocol == "TCP" and door.port in block.ports)
    return any(ip_network(block.cidr, strict=False).overlaps(pods) for block in named for pods in PODS)


def _to_endpoint(
    source: Service | None,
    provider: Service,
    door: ServicePort,
    services: Mapping[Key, Service],
    namespace_labels: Mapping[str, Mapping[str, str]],
) -> Verdict:
    if source is None:
        declared = Check("declared", Access.CLOSED, "a stranger, any pod that is not Freehold's, declares nothing")
        remedy = f"Make the caller a Microservice with {_consumes(provider.key)} under spec.consumes."
        return Verdict(Access.CLOSED, (declared, *_policies(source, door, Access.CLOSED, Access.CLOSED)), (remedy,))
    every = (provider, *aliases.replaced_services(provider, services))
    called = (
        one for one in every if _names(source, one.key) and aliases.same_listener(one.spec.grpc, provider.spec.grpc)
    )
    provider = next(called, provider)  # by whichever of its names the source knows it
    declared, consented = _declared(source, provider.key), _consented(source, provider, services, namespace_labels)
    ways = {declared.way, consented.way}
    way = next((way for way in (Access.CLOSED, Access.UNKNOWN) if way in ways), Access.OPEN)
    remedies = []
    if declared.way is Access.CLOSED:
        remedies.append(f"Add {_consumes(provider.key, source)} to spec.consumes of {source.key}.")
    if consented.way is not Access.OPEN:
        remedies.append(_remedy(source.namespace, provider))
    return Verdict(way, (declared, consented, *_policies(source, door, way, way)), tuple(remedies))


def _from_gateway(source: Proxies, provider: Service, door: ServicePort) -> Verdict:
    mine, gateway = gateways.proxies(provider), source.gateway
    if mine and mine.are(source):
        said = f"{provider.key} is exposed through Gateway {mine.gateway} (spec.grpc.expose)"
        return Verdict(
            Access.OPEN, (Check("exposed", Access.OPEN, said), *_policies(None, door, Access.OPEN, Access.OPEN))
        )
    said = f"{provider.key} is not exposed through {source} (spec.grpc.expose)"
    written = f"{{gateway: {{name: {gateway.name}, namespace: {gateway.namespace}}}, hostnames: [NAME]}}"
    remedy = f"Set spec.grpc.expose of {provider.key} to {written}."
    grounds = (Check("exposed", Access.CLOSED, said), *_policies(None, door, Access.CLOSED, Access.CLOSED))
    return Verdict(Access.CLOSED, grounds, (remedy,))


def _declared(source: Service, provider: Key) -> Check:
    if _names(source, provider):
        return Check("declared", Access.OPEN, f"{source.key} declares that it consumes {provider} (spec.consumes)")
    return Check(
        "declared", Access.CLOSED, f"{source.key} does not declare that it consumes {provider} (spec.consumes)"
    )


def _names(source: Service, provider: Key) -> bool:
    named = (consent.provider_key(source, consumed) for consumed in source.spec.consumes)
    return provider != source.key and provider in named


def _consented(
    source: Service,
    provider: Service,
    services: Mapping[Key, Service],
    namespace_labels: Mapping[str, Mapping[str, str]],
) -> Check:
    """A service that took another over is admitted where that one is."""
    formers = (one for one in aliases.replaced_services(source, services) if _names(one, provider.key))
    grounds = [_admitted(one.namespace, provider, namespace_labels) for one in (source, *formers)]
    return next((ground for ground in grounds if ground.way is Access.OPEN), grounds[0])


def _admitted(namespace: str, provider: Service, namespace_labels: Mapping[str, Mapping[str, str]]) -> Check:
    rule = _rule(provider)
    if rule is ConsumersFrom.SELECTOR and namespace not in namespace_labels:
        said = f"{provider.key} consents by selector, and the labels of namespace {namespace} are not known"
        return Check("consent", Access.UNKNOWN, said)
    if consent.admits(consent.as_peer(provider), namespace, namespace_labels):
        said = f"{provider.key} admits consumers from namespace {namespace} (spec.grpc.consumers.from: {rule})"
        return Check("consent", Access.OPEN, said)
    return Check("consent", Access.CLOSED, consent.not_admitted(provider.key, namespace))


def _remedy(namespace: str, provider: Service) -> str:
    if _rule(provider) is ConsumersFrom.SELECTOR:
        return f"Let spec.grpc.consumers.selector of {provider.key} select namespace {namespace}."
    # Its own namespace is named too: a selector takes the place of SameNamespace, whose consumers must not be cut off.
    admitted = f"{{key: {meta.NAMESPACE_NAME}, operator: In, values: [{provider.namespace}, {namespace}]}}"
    rule = f"{{from: Selector, selector: {{matchExpressions: [{admitted}]}}}}"
    return f"Set spec.grpc.consumers of {provider.key} to {rule}, or to {{from: All}}."


def _rule(provider: Service) -> ConsumersFrom | None:
    return provider.spec.grpc.consumers.from_ if provider.spec.grpc else None


def _consumes(provider: Key, source: Service | None = None) -> str:
    """The line under spec.consumes that names a provider."""
    near = source is not None and source.namespace == provider.namespace
    return f"{{name: {provider.name}}}" if near else f"{{name: {provider.name}, namespace: {provider.namespace}}}"


def _policies(source: Service | None, door: ServicePort, leaves: Access, enters: Access) -> tuple[Check, ...]:
    """The network policies that judge a connection, named as `isolation/plan.py` names them; a stranger has none."""
    out = () if source is None else (_policy("out", source.name, source.namespace, leaves),)
    return (*out, _policy("in", door.target, door.service.namespace, enters))


def _policy(about: str, name: str, namespace: str, way: Access) -> Check:
    does = {Access.OPEN: "lets it", Access.CLOSED: "does not let it", Access.UNKNOWN: "may let it"}[way]
    return Check(about, way, f"NetworkPolicy {name} in namespace {namespace} {does} {about}")
