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
from freehold.core.peers.ports import Door, Part

PODS = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")))
"""Where pods' addresses may be: those not routed outside (RFC 1918, RFC 6598, RFC 4193)."""


class Way(StrEnum):
    """UNKNOWN: what it hangs on could not be read."""

    OPEN = "Open"
    CLOSED = "Closed"
    UNKNOWN = "Unknown"


Source = Service | Proxies | None
"""Who opens a connection: a service, a Gateway's proxies, or a stranger, any other pod that is not Freehold's."""


class Ground(NamedTuple):
    """One thing a connection hangs on: a declaration, a consent, or a network policy made of both."""

    about: str
    way: Way
    said: str


class Verdict(NamedTuple):
    """Whether a connection is open, on which grounds, and what to write where to open one that is not."""

    way: Way
    grounds: tuple[Ground, ...]
    remedies: tuple[str, ...] = ()


def proxies(services: Iterable[Service]) -> tuple[Proxies, ...]:
    """All through whom any of these services is exposed."""
    return tuple(sorted({through for one in services if (through := gateways.proxies(one))}))


def verdict(
    source: Source,
    door: Door,
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
            return _without_walls(None, provider, door, _from_gateway(source, provider, door))
        source = None
    if door.part is Part.DATABASE:
        return _without_walls(source, provider, door, _to_database(source, door, provider))
    if source and source.key == door.service:
        return None
    if door.part is Part.PAGE:
        return _without_walls(source, provider, door, _to_page(source, door))
    return _without_walls(source, provider, door, _to_endpoint(source, provider, door, services, namespace_labels))


def _without_walls(source: Service | None, provider: Service, door: Door, walled: Verdict) -> Verdict:
    """The verdict, unless what would refuse the connection is a wall that does not stand yet (isolation: Shadow)."""
    sides = {"out": source, "in": provider}
    missing = {about: one.key for about, one in sides.items() if one and observer.is_on(one)}
    grounds = tuple(ground for ground in walled.grounds if ground.about not in missing)
    leaves, enters = source is None or "out" in missing, door.part is Part.PAGE or "in" in missing
    if walled.way is not Way.OPEN and enters and source and not leaves and _by_address(source, door):
        return walled._replace(way=Way.UNKNOWN, grounds=grounds)
    if walled.way is Way.OPEN or not (leaves and enters):
        return walled._replace(grounds=grounds)
    around = " and ".join(dict.fromkeys(map(str, missing.values())))
    said = f"no wall stands around {around} (isolation: Shadow); one would cut it"
    return Verdict(Way.OPEN, (Ground("shadow", Way.OPEN, said), *grounds))


def _to_database(source: Service | None, door: Door, provider: Service) -> Verdict:
    owner = door.service
    way = Way.OPEN if source and source.key == owner else Way.CLOSED
    said = f"the database of {owner} admits {owner} and its migrations alone (spec.database)"
    grounds = (Ground("owner", way, said), *_policies(source, door, way, way))
    return Verdict(way, grounds, (_around(provider),) if way is Way.CLOSED else ())


def _around(owner: Service) -> str:
    """The way to what a database holds: by asking its owner."""
    none = "No field opens it: a database has one owner."
    if owner.spec.grpc is None:
        return f"{none} {owner.key} has no endpoint either; spec.grpc gives it one, at which to tell what others need."
    endpoint = names.endpoint(owner.key, owner.spec.grpc.port)
    return f"{none} What others need of its data, {owner.key} tells at its endpoint, {endpoint}."


def _to_page(source: Service | None, door: Door) -> Verdict:
    said = f"the page of {door.service} admits every caller (spec.http)"
    admits = Ground("page", Way.OPEN, said)
    if source is None:
        return Verdict(Way.OPEN, (admits, *_policies(source, door, Way.OPEN, Way.OPEN)))
    if _by_address(source, door):
        said = f"spec.egress of {source.key} names addresses that pods may have, which network plugins take differently"
        grounds = (Ground("declared", Way.UNKNOWN, said), admits, *_policies(source, door, Way.UNKNOWN, Way.OPEN))
        return Verdict(Way.UNKNOWN, grounds, (f"Narrow spec.egress of {source.key} to addresses outside the cluster.",))
    said = f"{source.key} reaches DNS, its own database, what it consumes, and outside the cluster what it names"
    grounds = (Ground("declared", Way.CLOSED, said), admits, *_policies(source, door, Way.CLOSED, Way.OPEN))
    remedy = f"No field opens a page to a service: what it needs of {door.service} goes over gRPC (spec.consumes)."
    return Verdict(Way.CLOSED, grounds, (remedy,))


def _by_address(source: Service, door: Door) -> bool:
    """Whether a block in spec.egress may hold the addresses of pods; what it then admits is undefined.

    (networking.k8s.io/v1, ipBlock: "should be cluster-external IPs".) Other doors than pages are shut from within.
    """
    named = (block for block in source.spec.egress if block.protocol == "TCP" and door.port in block.ports)
    return any(ip_network(block.cidr, strict=False).overlaps(pods) for block in named for pods in PODS)


def _to_endpoint(
    source: Service | None,
    provider: Service,
    door: Door,
    services: Mapping[Key, Service],
    namespace_labels: Mapping[str, Mapping[str, str]],
) -> Verdict:
    if source is None:
        declared = Ground("declared", Way.CLOSED, "a stranger, any pod that is not Freehold's, declares nothing")
        remedy = f"Make the caller a Microservice with {_consumes(provider.key)} under spec.consumes."
        return Verdict(Way.CLOSED, (declared, *_policies(source, door, Way.CLOSED, Way.CLOSED)), (remedy,))
    every = (provider, *aliases.taken_over(provider, services))
    called = (
        one for one in every if _names(source, one.key) and aliases.listen_alike(one.spec.grpc, provider.spec.grpc)
    )
    provider = next(called, provider)  # by whichever of its names the source knows it
    declared, consented = _declared(source, provider.key), _consented(source, provider, services, namespace_labels)
    ways = {declared.way, consented.way}
    way = next((way for way in (Way.CLOSED, Way.UNKNOWN) if way in ways), Way.OPEN)
    remedies = []
    if declared.way is Way.CLOSED:
        remedies.append(f"Add {_consumes(provider.key, source)} to spec.consumes of {source.key}.")
    if consented.way is not Way.OPEN:
        remedies.append(_remedy(source.namespace, provider))
    return Verdict(way, (declared, consented, *_policies(source, door, way, way)), tuple(remedies))


def _from_gateway(source: Proxies, provider: Service, door: Door) -> Verdict:
    mine, gateway = gateways.proxies(provider), source.gateway
    if mine and mine.are(source):
        said = f"{provider.key} is exposed through Gateway {mine.gateway} (spec.grpc.expose)"
        return Verdict(Way.OPEN, (Ground("exposed", Way.OPEN, said), *_policies(None, door, Way.OPEN, Way.OPEN)))
    said = f"{provider.key} is not exposed through {source} (spec.grpc.expose)"
    written = f"{{gateway: {{name: {gateway.name}, namespace: {gateway.namespace}}}, hostnames: [NAME]}}"
    remedy = f"Set spec.grpc.expose of {provider.key} to {written}."
    grounds = (Ground("exposed", Way.CLOSED, said), *_policies(None, door, Way.CLOSED, Way.CLOSED))
    return Verdict(Way.CLOSED, grounds, (remedy,))


def _declared(source: Service, provider: Key) -> Ground:
    if _names(source, provider):
        return Ground("declared", Way.OPEN, f"{source.key} declares that it consumes {provider} (spec.consumes)")
    return Ground("declared", Way.CLOSED, f"{source.key} does not declare that it consumes {provider} (spec.consumes)")


def _names(source: Service, provider: Key) -> bool:
    named = (consent.provider_key(source, consumed) for consumed in source.spec.consumes)
    return provider != source.key and provider in named


def _consented(
    source: Service,
    provider: Service,
    services: Mapping[Key, Service],
    namespace_labels: Mapping[str, Mapping[str, str]],
) -> Ground:
    """A service that took another over is admitted where that one is."""
    formers = (one for one in aliases.taken_over(source, services) if _names(one, provider.key))
    grounds = [_admitted(one.namespace, provider, namespace_labels) for one in (source, *formers)]
    return next((ground for ground in grounds if ground.way is Way.OPEN), grounds[0])


def _admitted(namespace: str, provider: Service, namespace_labels: Mapping[str, Mapping[str, str]]) -> Ground:
    rule = _rule(provider)
    if rule is ConsumersFrom.SELECTOR and namespace not in namespace_labels:
        said = f"{provider.key} consents by selector, and the labels of namespace {namespace} are not known"
        return Ground("consent", Way.UNKNOWN, said)
    if consent.admits(consent.as_peer(provider), namespace, namespace_labels):
        said = f"{provider.key} admits consumers from namespace {namespace} (spec.grpc.consumers.from: {rule})"
        return Ground("consent", Way.OPEN, said)
    return Ground("consent", Way.CLOSED, consent.not_admitted(provider.key, namespace))


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


def _policies(source: Service | None, door: Door, leaves: Way, enters: Way) -> tuple[Ground, ...]:
    """The network policies that judge a connection, named as `isolation/plan.py` names them; a stranger has none."""
    out = () if source is None else (_policy("out", source.name, source.namespace, leaves),)
    return (*out, _policy("in", door.target, door.service.namespace, enters))


def _policy(about: str, name: str, namespace: str, way: Way) -> Ground:
    does = {Way.OPEN: "lets it", Way.CLOSED: "does not let it", Way.UNKNOWN: "may let it"}[way]
    return Ground(about, way, f"NetworkPolicy {name} in namespace {namespace} {does} {about}")
