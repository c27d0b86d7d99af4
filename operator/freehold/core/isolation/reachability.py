"""Reachability: whether a source may open a connection to a port, as declared, and why.

The rules are those of the network policies in `isolation/plan.py`, applied to one pair at a time. A connection is open
if both the source's egress and the port's ingress allow the connection.
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

POD_NETWORKS = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")))
"""The address blocks in which pods may be: not routed on the internet (RFC 1918, RFC 6598, RFC 4193)."""


class Access(StrEnum):
    """Whether a connection is allowed. UNKNOWN: an input could not be read, or the API leaves the result open."""

    OPEN = "Open"
    CLOSED = "Closed"
    UNKNOWN = "Unknown"


Source = Service | Proxies | None
"""The source of a connection: a service, the proxies of a Gateway, or None for an unmanaged pod."""


class Check(NamedTuple):
    """A declaration, a consent or a network policy on which a connection depends. subject: one word, for people."""

    subject: str
    access: Access
    message: str


class Verdict(NamedTuple):
    """Whether a connection is open, the checks behind the verdict, and edits that would open a closed connection."""

    access: Access
    checks: tuple[Check, ...]
    fixes: tuple[str, ...] = ()


def proxies(services: Iterable[Service]) -> tuple[Proxies, ...]:
    """Return the proxies of all Gateways that expose a service."""
    return tuple(sorted({found for service in services if (found := gateways.proxies(service))}))


def verdict(
    source: Source,
    port: ServicePort,
    services: Mapping[Key, Service],
    namespace_labels: Mapping[str, Mapping[str, str]],
) -> Verdict | None:
    """Return the verdict on a connection from `source` to `port`; None for a service and its own gRPC or HTTP port.

    namespace_labels: the labels of known namespaces; for other namespaces, consent by selector is unknown.
    """
    provider = services[port.service]
    if isinstance(source, Proxies):
        if port.part is Part.ENDPOINT:
            return _in_audit_mode(None, provider, port, _from_gateway(source, provider, port))
        source = None
    if port.part is Part.DATABASE:
        return _in_audit_mode(source, provider, port, _to_database(source, port, provider))
    if source and source.key == port.service:
        return None
    if port.part is Part.HTTP:
        return _in_audit_mode(source, provider, port, _to_http(source, port))
    return _in_audit_mode(source, provider, port, _to_endpoint(source, provider, port, services, namespace_labels))


def _in_audit_mode(source: Service | None, provider: Service, port: ServicePort, enforced: Verdict) -> Verdict:
    """Adapt the verdict with all policies, `enforced`, to the missing policies of services in audit mode."""
    sides = {"egress": source, "ingress": provider}
    missing = {subject: side.key for subject, side in sides.items() if side and observer.is_audited(side)}
    checks = tuple(check for check in enforced.checks if check.subject not in missing)
    leaves, enters = source is None or "egress" in missing, port.part is Part.HTTP or "ingress" in missing
    if enforced.access is not Access.OPEN and enters and source and not leaves and _by_address(source, port):
        return enforced._replace(access=Access.UNKNOWN, checks=checks)
    if enforced.access is Access.OPEN or not (leaves and enters):
        return enforced._replace(checks=checks)
    services = " and ".join(dict.fromkeys(map(str, missing.values())))
    message = f"no network policy of {services} exists (isolation: Audit); Enforced would cut the connection"
    return Verdict(Access.OPEN, (Check("audit", Access.OPEN, message), *checks))


def _to_database(source: Service | None, port: ServicePort, provider: Service) -> Verdict:
    owner = port.service
    access = Access.OPEN if source and source.key == owner else Access.CLOSED
    message = f"the database of {owner} admits only {owner} and the migrations (spec.database)"
    checks = (Check("owner", access, message), *_policies(source, port, access, access))
    return Verdict(access, checks, (_use_endpoint(provider),) if access is Access.CLOSED else ())


def _use_endpoint(owner: Service) -> str:
    """Return the alternative to a connection to the database: the owner's gRPC endpoint."""
    closed = "No field opens a database to other services."
    if owner.spec.grpc is None:
        return f"{closed} {owner.key} has no gRPC endpoint; declare spec.grpc and offer the data there."
    return f"{closed} Call {owner.key} at {names.endpoint(owner.key, owner.spec.grpc.port)}."


def _to_http(source: Service | None, port: ServicePort) -> Verdict:
    admits = Check("http", Access.OPEN, f"the HTTP port of {port.service} admits every caller (spec.http)")
    if source is None:
        return Verdict(Access.OPEN, (admits, *_policies(source, port, Access.OPEN, Access.OPEN)))
    if _by_address(source, port):
        message = f"spec.egress of {source.key} includes pod addresses, which network plugins treat differently"
        declared = Check("declared", Access.UNKNOWN, message)
        fix = f"Narrow spec.egress of {source.key} to addresses outside the cluster."
        return Verdict(
            Access.UNKNOWN, (declared, admits, *_policies(source, port, Access.UNKNOWN, Access.OPEN)), (fix,)
        )
    message = f"{source.key} reaches only DNS, its own database, consumed services and spec.egress"
    checks = (Check("declared", Access.CLOSED, message), admits, *_policies(source, port, Access.CLOSED, Access.OPEN))
    fix = f"No field opens an HTTP port to a service; call {port.service} over gRPC (spec.consumes)."
    return Verdict(Access.CLOSED, checks, (fix,))


def _by_address(source: Service, port: ServicePort) -> bool:
    """Return whether a block in spec.egress may include pod addresses, whose treatment is undefined.

    (networking.k8s.io/v1, ipBlock: "should be cluster-external IPs".) Ingress policies close all but HTTP ports anyway.
    """
    blocks = (block for block in source.spec.egress if block.protocol == "TCP" and port.port in block.ports)
    return any(ip_network(block.cidr, strict=False).overlaps(pods) for block in blocks for pods in POD_NETWORKS)


def _to_endpoint(
    source: Service | None,
    provider: Service,
    port: ServicePort,
    services: Mapping[Key, Service],
    namespace_labels: Mapping[str, Mapping[str, str]],
) -> Verdict:
    if source is None:
        declared = Check("declared", Access.CLOSED, "an unmanaged pod declares no consumed services")
        fix = f"Make the caller a Microservice with {_consumes(provider.key)} under spec.consumes."
        return Verdict(Access.CLOSED, (declared, *_policies(source, port, Access.CLOSED, Access.CLOSED)), (fix,))
    replaced = aliases.replaced_services(provider, services)
    same_port = (old for old in replaced if aliases.same_listener(old.spec.grpc, provider.spec.grpc))
    # The source may declare the provider by the name of a replaced service.
    provider = next((known for known in (provider, *same_port) if _names(source, known.key)), provider)
    declared, consented = _declared(source, provider.key), _consented(source, provider, services, namespace_labels)
    found = {declared.access, consented.access}
    access = next((access for access in (Access.CLOSED, Access.UNKNOWN) if access in found), Access.OPEN)
    fixes = []
    if declared.access is Access.CLOSED:
        fixes.append(f"Add {_consumes(provider.key, source)} to spec.consumes of {source.key}.")
    if consented.access is not Access.OPEN:
        fixes.append(_consent_fix(source.namespace, provider))
    return Verdict(access, (declared, consented, *_policies(source, port, access, access)), tuple(fixes))


def _from_gateway(source: Proxies, provider: Service, port: ServicePort) -> Verdict:
    own, gateway = gateways.proxies(provider), source.gateway
    if own and own.include(source):
        message = f"{provider.key} is exposed through Gateway {own.gateway} (spec.grpc.expose)"
        checks = (Check("exposed", Access.OPEN, message), *_policies(None, port, Access.OPEN, Access.OPEN))
        return Verdict(Access.OPEN, checks)
    message = f"{provider.key} is not exposed through {source} (spec.grpc.expose)"
    expose = f"{{gateway: {{name: {gateway.name}, namespace: {gateway.namespace}}}, hostnames: [NAME]}}"
    checks = (Check("exposed", Access.CLOSED, message), *_policies(None, port, Access.CLOSED, Access.CLOSED))
    return Verdict(Access.CLOSED, checks, (f"Set spec.grpc.expose of {provider.key} to {expose}.",))


def _declared(source: Service, provider: Key) -> Check:
    if _names(source, provider):
        return Check("declared", Access.OPEN, f"{source.key} declares {provider} (spec.consumes)")
    return Check("declared", Access.CLOSED, f"{source.key} does not declare {provider} (spec.consumes)")


def _names(source: Service, provider: Key) -> bool:
    declared = (consent.provider_key(source, consumed) for consumed in source.spec.consumes)
    return provider != source.key and provider in declared


def _consented(
    source: Service,
    provider: Service,
    services: Mapping[Key, Service],
    namespace_labels: Mapping[str, Mapping[str, str]],
) -> Check:
    """Return the check of consent. A service is also admitted wherever a replaced service is admitted."""
    replaced = (old for old in aliases.replaced_services(source, services) if _names(old, provider.key))
    checks = [_admitted(consumer.namespace, provider, namespace_labels) for consumer in (source, *replaced)]
    return next((check for check in checks if check.access is Access.OPEN), checks[0])


def _admitted(namespace: str, provider: Service, namespace_labels: Mapping[str, Mapping[str, str]]) -> Check:
    rule = _rule(provider)
    if rule is ConsumersFrom.SELECTOR and namespace not in namespace_labels:
        message = f"{provider.key} consents by selector, and the labels of namespace {namespace} are not known"
        return Check("consent", Access.UNKNOWN, message)
    if consent.admits(consent.as_peer(provider), namespace, namespace_labels):
        message = f"{provider.key} admits consumers from namespace {namespace} (spec.grpc.consumers.from: {rule})"
        return Check("consent", Access.OPEN, message)
    return Check("consent", Access.CLOSED, consent.not_admitted(provider.key, namespace))


def _consent_fix(namespace: str, provider: Service) -> str:
    if _rule(provider) is ConsumersFrom.SELECTOR:
        return f"Extend spec.grpc.consumers.selector of {provider.key} to select namespace {namespace}."
    # The selector replaces SameNamespace, and so includes the provider's namespace to keep present consumers.
    admitted = f"{{key: {meta.NAMESPACE_NAME}, operator: In, values: [{provider.namespace}, {namespace}]}}"
    rule = f"{{from: Selector, selector: {{matchExpressions: [{admitted}]}}}}"
    return f"Set spec.grpc.consumers of {provider.key} to {rule}, or to {{from: All}}."


def _rule(provider: Service) -> ConsumersFrom | None:
    return provider.spec.grpc.consumers.from_ if provider.spec.grpc else None


def _consumes(provider: Key, source: Service | None = None) -> str:
    """Return the entry under spec.consumes that declares a provider."""
    same_namespace = source is not None and source.namespace == provider.namespace
    return (
        f"{{name: {provider.name}}}"
        if same_namespace
        else f"{{name: {provider.name}, namespace: {provider.namespace}}}"
    )


def _policies(source: Service | None, port: ServicePort, leaves: Access, enters: Access) -> tuple[Check, ...]:
    """Return the checks of the network policies, named as in `isolation/plan.py`; an unmanaged pod has none."""
    egress = () if source is None else (_policy("egress", source.name, source.namespace, leaves),)
    return (*egress, _policy("ingress", port.target, port.service.namespace, enters))


def _policy(direction: str, name: str, namespace: str, access: Access) -> Check:
    verb = {Access.OPEN: "allows", Access.CLOSED: "denies", Access.UNKNOWN: "may allow"}[access]
    return Check(direction, access, f"NetworkPolicy {name} in namespace {namespace} {verb} {direction}")
