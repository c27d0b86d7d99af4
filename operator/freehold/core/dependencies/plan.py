"""The bindings of consumed services, and condition DependenciesResolved.

A missing provider, a provider without consent or a missing method shows in the condition and holds nothing else back:
the service runs with the provider's address, and network policies open once both sides agree.
"""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from freehold.api.v1alpha1.grpc import Consumed, Tls
from freehold.core.dependencies import service_config
from freehold.core.model import messages
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.resources import Object, Peer, Plan
from freehold.core.objects import meta, names
from freehold.core.peers import consent
from freehold.core.protobuf.checks import Check, Kind

CAPABILITY = "dependencies"
NAMED = 3
"""Refusals and methods named in a message."""
CANDIDATES, MAX_LETTERS = 50, 100
"""The most names compared with a misspelled name, and the longest: the cost of a pair grows with both lengths."""


def plan(case: Case) -> Plan:
    """Return the ConfigMap with the address and call policy of each consumed service."""
    if not case.spec.consumes:
        return Plan(CAPABILITY, ())
    providers = (case.observed.peers.get(consent.provider_key(case.service, c)) for c in case.spec.consumes)
    checks = [_check(provider) for provider in providers if provider and provider.contract]
    unknown = tuple(check for check in checks if case.observed.checked(check) is None)
    return Plan(CAPABILITY, (_bindings(case),), _condition(case), checks=unknown)


def _bindings(case: Case) -> Object:
    """The ConfigMap of all bindings, with keys like `users.host` (servicebinding.io, 'Workload Projection')."""
    data: dict[str, str] = {}
    for consumed in case.spec.consumes:
        provider = consent.provider_key(case.service, consumed)
        port = consent.provider_port(case, consumed)
        data[f"{consumed.name}.type"] = "grpc"
        data[f"{consumed.name}.host"] = names.host(provider.name, provider.namespace)
        data[f"{consumed.name}.port"] = str(port)
        data[f"{consumed.name}.uri"] = names.target(provider, port)
        if consent.is_mutual(case, consumed):
            data[f"{consumed.name}.tls"] = Tls.MUTUAL.value
        if config := service_config.published(case, consumed):
            data[f"{consumed.name}.{names.SERVICE_CONFIG}"] = config
    labels = meta.labels(case.service, meta.SERVICE, CAPABILITY)
    return meta.build(case.service, "v1", "ConfigMap", names.consumed(case.name), labels, data=data)


def _condition(case: Case) -> Condition:
    refusals = [r for c in case.spec.consumes if (r := consent.refusal(case, c))]
    if refusals:
        message = messages.listed((message for _, message in refusals), NAMED, "; ")
        return Condition(Type.DEPENDENCIES_RESOLVED, State.FALSE, refusals[0][0], message)
    if missing := [(c, method) for c in case.spec.consumes for method in _missing_methods(case, c)]:
        # Only what is named is described: the search for similar names is expensive.
        described = [_describe_missing(case, *each) for each in missing[:NAMED]]
        message = messages.listed([*described, *("" for _ in missing[NAMED:])], NAMED, "; ")
        return Condition(Type.DEPENDENCIES_RESOLVED, State.FALSE, Reason.METHOD_NOT_FOUND, message)
    listed = ", ".join(c.name for c in case.spec.consumes)
    providers = [case.observed.peers[consent.provider_key(case.service, c)] for c in case.spec.consumes]
    waiting = [str(p.key) for p in providers if not p.ready]
    # Providers that are not ready are named, and do not make the condition False: their own owners see to them.
    message = f"consumes {listed}" + (f"; not ready: {', '.join(waiting)}" if waiting else "")
    return Condition(Type.DEPENDENCIES_RESOLVED, State.TRUE, Reason.RESOLVED, message)


def _missing_methods(case: Case, consumed: Consumed) -> list[str]:
    """Return the declared methods that the provider does not offer; none while the contract is unknown."""
    provider = case.observed.peers[consent.provider_key(case.service, consumed)]
    offered = _offered_methods(case, provider) if consumed.methods else None
    if offered is None:
        return []
    services = {f"{method.partition('/')[0]}/*" for method in offered}
    return sorted(set(consumed.methods) - set(offered) - services)


def _describe_missing(case: Case, consumed: Consumed, method: str) -> str:
    """Describe a declared method that the provider does not offer, with similar methods."""
    provider = case.observed.peers[consent.provider_key(case.service, consumed)]
    offered = _offered_methods(case, provider) or ()
    services = {f"{each.partition('/')[0]}/*" for each in offered}
    near = _similar(method, {*offered, *services} if method.endswith("/*") else offered)
    hint = f"did you mean {' or '.join(near)}" if near else f"offered: {', '.join(offered[:NAMED]) or 'none'}"
    return f"{provider.key.name} in namespace {provider.key.namespace} offers no method {method}; {hint}"


def _similar(method: str, offered: Collection[str]) -> list[str]:
    """Return the one or two most similar names; names of the same service and of about the same length are tried."""
    if len(method) > MAX_LETTERS:
        return []
    service = method.partition("/")[0]

    def distance(name: str) -> tuple[bool, int, str]:
        return name.partition("/")[0] != service, abs(len(name) - len(method)), name

    tried = sorted((name for name in offered if len(name) <= MAX_LETTERS), key=distance)[:CANDIDATES]
    return get_close_matches(method, sorted(tried), n=2)


def _offered_methods(case: Case, provider: Peer) -> tuple[str, ...] | None:
    """The methods of a provider; None while the contract is unknown."""
    result = case.observed.checked(_check(provider)) if provider.contract else None
    return tuple(method.name for method in result.methods) if result and not result.fault else None


def _check(provider: Peer) -> Check:
    return Check(Kind.METHODS, provider.contract)
