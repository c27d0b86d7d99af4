"""Who may reach whom: a consumer declares `consumes`, the provider consents, and only both together open anything."""

from __future__ import annotations

from collections.abc import Mapping

from freehold.api.v1alpha1.grpc import Consumed, Consumers, ConsumersFrom, NamespaceSelector, SelectorRequirement, Tls
from freehold.core.model import remote
from freehold.core.model.case import Case, fact
from freehold.core.model.conditions import Reason
from freehold.core.model.resources import Key, Observed, Peer, Ref, Service
from freehold.core.objects import names
from freehold.core.peers import aliases

DEFAULT_PORT = 50051


def provider_key(service: Service, consumed: Consumed) -> Key:
    """Which service is meant; without a namespace, one of the consumer's own."""
    return Key(consumed.namespace or service.namespace, consumed.name)


def provider_port(case: Case, consumed: Consumed) -> int:
    """The provider's port; while it is away the one last known, so that its absence restarts nobody."""
    peer = case.observed.peers.get(provider_key(case.service, consumed))
    if peer and peer.grpc:
        return peer.grpc.port
    return int(_last_known(case).get(f"{consumed.name}.port", DEFAULT_PORT))


def is_mutual(case: Case, consumed: Consumed) -> bool:
    """Whether the provider asks its callers to prove themselves; while it is away, whether it last did."""
    peer = case.observed.peers.get(provider_key(case.service, consumed))
    if peer and peer.grpc:
        return peer.grpc.tls is Tls.MUTUAL
    return bool(_last_known(case).get(f"{consumed.name}.tls") == Tls.MUTUAL)


def _last_known(case: Case) -> Mapping[str, str]:
    """What the service was last told of those it consumes."""
    told: Mapping[str, str] = case.observed.objects.get(Ref("ConfigMap", names.consumed(case.name)), {}).get("data", {})
    return told


def asks_identity(service: Service) -> bool:
    """Whether the service asks its callers to prove themselves."""
    return service.spec.grpc is not None and service.spec.grpc.tls is Tls.MUTUAL


@fact
def needs_identity(case: Case) -> bool:
    """Whether the service proves itself to its callers, or to one it calls."""
    return asks_identity(case.service) or any(is_mutual(case, consumed) for consumed in case.spec.consumes)


def refusal(case: Case, consumed: Consumed) -> tuple[Reason, str] | None:
    """Why this service cannot be consumed, and who can change that; None where it can."""
    provider = provider_key(case.service, consumed)
    peer = case.observed.peers.get(provider)
    where = f"{provider.name} in namespace {provider.namespace}"
    if peer is None:
        return Reason.PROVIDER_NOT_FOUND, f"{where} does not exist; it is used as soon as it does"
    if peer.grpc is None:
        return (
            Reason.PROVIDER_HAS_NO_ENDPOINT,
            f"{where} declares no spec.grpc, so there is nothing to consume",
        )
    if not _is_admitted(peer, case.key, case.observed):
        return Reason.CONSUMER_NOT_ALLOWED, not_admitted(provider, case.namespace)
    return None


def not_admitted(provider: Key, namespace: str) -> str:
    """What is said, in a condition and on a terminal alike, of a provider that does not consent."""
    hint = f"its owner can add {namespace} under spec.grpc.consumers"
    return f"{provider.name} in namespace {provider.namespace} admits no consumers from namespace {namespace}; {hint}"


@fact
def consumers(case: Case) -> list[Key]:
    """The services that declare to consume this one and are admitted, in order; by a name that it took over too, as
    they were there."""
    if case.spec.grpc is None:
        return []
    formers = _predecessors(case.key, case.observed)
    alike = (one for one in formers if aliases.same_listener(one.grpc, case.spec.grpc))
    called = [as_peer(case.service), *alike]
    return sorted(
        peer.key
        for peer in case.observed.peers.values()
        if any(one.key in peer.consumes and _is_admitted(one, peer.key, case.observed) for one in called)
    )


def _is_admitted(provider: Peer, consumer: Key, observed: Observed) -> bool:
    """Whether the provider consents, to the consumer where it stands or to one that it took over, as it stood."""
    if admits(provider, consumer.namespace, observed.namespace_labels):
        return True
    return any(
        provider.key in one.consumes and admits(provider, one.key.namespace, observed.namespace_labels)
        for one in _predecessors(consumer, observed)
    )


def _predecessors(key: Key, observed: Observed) -> list[Peer]:
    """The services that one took over, as far as they are known."""
    return [observed.peers[one] for one in aliases.predecessors(observed.aliases, key) if one in observed.peers]


def provider_locations(case: Case, consumed: Consumed) -> tuple[Key, ...]:
    """Where the pods of a consumed service stand in this cluster: as it is named and, if it moves, where it goes."""
    named = provider_key(case.service, consumed)
    keys = dict.fromkeys((named, aliases.resolve(case.observed.aliases, named)))
    return tuple(key for key in keys if not remote.is_remote(key.namespace))


def as_peer(service: Service) -> Peer:
    """A service as far as others may know it."""
    return Peer(service.key, service.spec.grpc, frozenset(provider_key(service, c) for c in service.spec.consumes))


def admits(provider: Peer, namespace: str, labels: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether the provider consents to consumers from this namespace."""
    rule = provider.grpc.consumers if provider.grpc else Consumers()
    if rule.from_ is ConsumersFrom.ALL:
        return True
    if rule.from_ is ConsumersFrom.SAME_NAMESPACE:
        return namespace == provider.key.namespace
    return rule.selector is not None and selects(rule.selector, labels.get(namespace, {}))


def selects(selector: NamespaceSelector, labels: Mapping[str, str]) -> bool:
    """A label selector's meaning (kubernetes.io/docs/concepts/overview/working-with-objects/labels)."""
    exact = all(labels.get(key) == value for key, value in selector.match_labels.items())
    return exact and all(_holds(requirement, labels) for requirement in selector.match_expressions)


def _holds(requirement: SelectorRequirement, labels: Mapping[str, str]) -> bool:
    present = requirement.key in labels
    match requirement.operator:
        case "Exists":
            return present
        case "DoesNotExist":
            return not present
        case "In":
            return present and labels[requirement.key] in requirement.values
        case "NotIn":
            return not present or labels[requirement.key] not in requirement.values
