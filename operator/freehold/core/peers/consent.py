"""Consent between consumers and providers.

A path opens only if the consumer declares `spec.consumes` and the provider admits the consumer's namespace.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from freehold.api.v1alpha1.grpc import Consumed, Consumers, ConsumersFrom, NamespaceSelector, SelectorRequirement, Tls
from freehold.core.model import remote
from freehold.core.model.case import Case, fact
from freehold.core.model.conditions import Reason
from freehold.core.model.resources import Key, Observed, Peer, Ref, Service
from freehold.core.objects import names
from freehold.core.peers import aliases, shares

DEFAULT_PORT = 50051


def provider_key(service: Service, consumed: Consumed) -> Key:
    """Return the consumed service; the default namespace is the consumer's own."""
    return Key(consumed.namespace or service.namespace, consumed.name)


def provider_port(case: Case, consumed: Consumed) -> int:
    """Return the provider's gRPC port. While no provider exists, the last known port, so that no consumer restarts."""
    peer = case.observed.peers.get(provider_key(case.service, consumed))
    if peer and peer.grpc:
        return peer.grpc.port
    return int(_last_known(case).get(f"{consumed.name}.port", DEFAULT_PORT))


def is_mutual(case: Case, consumed: Consumed) -> bool:
    """Return whether the provider requires mutual TLS. While no provider exists, the last known mode counts."""
    peer = case.observed.peers.get(provider_key(case.service, consumed))
    if peer and peer.grpc:
        return peer.grpc.tls is Tls.MUTUAL
    return bool(_last_known(case).get(f"{consumed.name}.tls") == Tls.MUTUAL)


def _last_known(case: Case) -> Mapping[str, str]:
    """Return the ports and TLS modes of consumed services that were last published to the service."""
    live = case.observed.objects.get(Ref("ConfigMap", names.consumed(case.name)), {})
    published: Mapping[str, str] = live.get("data", {})
    return published


def requires_mutual_tls(service: Service) -> bool:
    """Return whether the service requires mutual TLS of callers."""
    return service.spec.grpc is not None and service.spec.grpc.tls is Tls.MUTUAL


@fact
def needs_identity(case: Case) -> bool:
    """Return whether the service needs a certificate for mutual TLS, as a provider or as a consumer."""
    return requires_mutual_tls(case.service) or any(is_mutual(case, consumed) for consumed in case.spec.consumes)


def refusal(case: Case, consumed: Consumed) -> tuple[Reason, str] | None:
    """Return reason and message if the service cannot consume a provider; None if consumption is allowed."""
    provider = provider_key(case.service, consumed)
    peer = case.observed.peers.get(provider)
    where = f"{provider.name} in namespace {provider.namespace}"
    if peer is None:
        return Reason.PROVIDER_NOT_FOUND, f"{where} does not exist; correct spec.consumes, or deploy the provider"
    if peer.grpc is None:
        return (
            Reason.PROVIDER_HAS_NO_ENDPOINT,
            f"{where} declares no spec.grpc; declare spec.grpc there, or remove the entry under spec.consumes",
        )
    if not _is_admitted(peer, case.key, case.observed):
        return Reason.CONSUMER_NOT_ALLOWED, not_admitted(provider, case.namespace)
    if provider in _beyond_share(case):
        state = f"{where} has too many consumers: {shares.MOST} are admitted, in equal shares of the namespaces"
        return Reason.TOO_MANY_CONSUMERS, f"{state}; remove other consumers in namespace {case.namespace}"
    return None


@fact
def _beyond_share(case: Case) -> frozenset[Key]:
    """Return the providers with too many consumers that do not admit the service for that reason."""
    crowded = (peer for key, peer in case.observed.peers.items() if key in case.observed.crowds)
    shared = {peer.key: shares.shared(_admitted_crowd(peer, case.observed)) for peer in crowded}
    return frozenset(key for key, admitted in shared.items() if case.key not in admitted)


def refused_by_share(case: Case) -> int:
    """Return how many consumers the service would admit and refuses because of their number."""
    return max(len(_admitted_crowd(as_peer(case.service), case.observed)) - shares.MOST, 0)


def _admitted_crowd(provider: Peer, observed: Observed) -> list[Key]:
    """Return the consumers in admitted namespaces, of a provider with more than `shares.MOST` consumers."""
    crowd = observed.crowds.get(provider.key, frozenset())
    return admitted_among(provider, crowd, observed.aliases, observed.namespace_labels)


def admitted_among(
    provider: Peer, consumers: Collection[Key], known: aliases.Aliases, labels: Mapping[str, Mapping[str, str]]
) -> list[Key]:
    """Return the consumers whose namespace, or that of a service that the consumer replaced, the provider admits."""
    admitted = {name for name in {key.namespace for key in consumers} if admits(provider, name, labels)}
    replacing = {*known.values()} & {*consumers}
    formers = {key: aliases.predecessors(known, key) for key in replacing}
    inherited = {key for key in replacing if any(admits(provider, old.namespace, labels) for old in formers[key])}
    return [key for key in consumers if key.namespace in admitted or key in inherited]


def not_admitted(provider: Key, namespace: str) -> str:
    """Return the message for a provider that does not admit a namespace, in conditions and on terminals."""
    hint = f"its owner can add {namespace} under spec.grpc.consumers"
    return f"{provider.name} in namespace {provider.namespace} admits no consumers from namespace {namespace}; {hint}"


@fact
def consumers(case: Case) -> list[Key]:
    """Return the admitted consumers of the service, sorted, at most `shares.MOST`.

    A consumer may use the name of a replaced service; then the replaced service's rule counts.
    """
    if case.spec.grpc is None:
        return []
    replaced = _predecessors(case.key, case.observed)
    same_port = (former for former in replaced if aliases.same_listener(former.grpc, case.spec.grpc))
    providers = [as_peer(case.service), *same_port]
    admitted = (
        peer.key
        for peer in case.observed.peers.values()
        if any(known.key in peer.consumes and _is_admitted(known, peer.key, case.observed) for known in providers)
    )
    return sorted(shares.shared(admitted))


def _is_admitted(provider: Peer, consumer: Key, observed: Observed) -> bool:
    """Return whether the provider admits the consumer, or a service that the consumer replaced."""
    if admits(provider, consumer.namespace, observed.namespace_labels):
        return True
    return any(
        provider.key in former.consumes and admits(provider, former.key.namespace, observed.namespace_labels)
        for former in _predecessors(consumer, observed)
    )


def _predecessors(key: Key, observed: Observed) -> list[Peer]:
    """Return the known services that `key` replaced, the latest first."""
    return [
        observed.peers[former] for former in aliases.predecessors(observed.aliases, key) if former in observed.peers
    ]


def provider_locations(case: Case, consumed: Consumed) -> tuple[Key, ...]:
    """Return the services of the local cluster whose pods may answer: the declared provider, and where it moves to."""
    declared = provider_key(case.service, consumed)
    keys = dict.fromkeys((declared, aliases.resolve(case.observed.aliases, declared)))
    return tuple(key for key in keys if not remote.is_remote(key.namespace))


def as_peer(service: Service) -> Peer:
    """Return the service as a peer, with the fields that consent needs."""
    return Peer(service.key, service.spec.grpc, frozenset(provider_key(service, c) for c in service.spec.consumes))


def admits(provider: Peer, namespace: str, labels: Mapping[str, Mapping[str, str]]) -> bool:
    """Return whether the provider admits consumers from a namespace. labels: the labels of known namespaces."""
    rule = provider.grpc.consumers if provider.grpc else Consumers()
    if rule.from_ is ConsumersFrom.ALL:
        return True
    if rule.from_ is ConsumersFrom.SAME_NAMESPACE:
        return namespace == provider.key.namespace
    return rule.selector is not None and selects(rule.selector, labels.get(namespace, {}))


def selects(selector: NamespaceSelector, labels: Mapping[str, str]) -> bool:
    """Return whether a label selector matches (kubernetes.io/docs/concepts/overview/working-with-objects/labels)."""
    exact = all(labels.get(key) == value for key, value in selector.match_labels.items())
    return exact and all(_matches(requirement, labels) for requirement in selector.match_expressions)


def _matches(requirement: SelectorRequirement, labels: Mapping[str, str]) -> bool:
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
