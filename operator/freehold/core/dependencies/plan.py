"""The bindings of consumed services, and condition DependenciesResolved.

A missing provider, a provider without consent or a missing method shows in the condition and holds nothing else back:
the service runs with the provider's address, and network policies open once both sides agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from freehold.api.v1alpha1.grpc import Consumed, Tls
from freehold.core.dependencies import service_config
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.resources import Object, Peer, Plan
from freehold.core.objects import meta, names
from freehold.core.peers import consent
from freehold.core.protobuf import compatibility

CAPABILITY = "dependencies"
NAMED = 3
"""Methods named in a message."""


def plan(case: Case) -> Plan:
    """Return the ConfigMap with the address and call policy of each consumed service."""
    if not case.spec.consumes:
        return Plan(CAPABILITY, ())
    return Plan(CAPABILITY, (_bindings(case),), _condition(case))


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
        message = "; ".join(message for _, message in refusals)
        return Condition(Type.DEPENDENCIES_RESOLVED, State.FALSE, refusals[0][0], message)
    if missing := [message for c in case.spec.consumes for message in _missing_methods(case, c)]:
        return Condition(Type.DEPENDENCIES_RESOLVED, State.FALSE, Reason.METHOD_NOT_FOUND, "; ".join(missing[:NAMED]))
    listed = ", ".join(c.name for c in case.spec.consumes)
    providers = [case.observed.peers[consent.provider_key(case.service, c)] for c in case.spec.consumes]
    waiting = [str(p.key) for p in providers if not p.ready]
    # Providers that are not ready are named, and do not make the condition False: their own owners see to them.
    message = f"consumes {listed}" + (f"; not ready: {', '.join(waiting)}" if waiting else "")
    return Condition(Type.DEPENDENCIES_RESOLVED, State.TRUE, Reason.RESOLVED, message)


def _missing_methods(case: Case, consumed: Consumed) -> Iterator[str]:
    """Yield a message for each declared method that the provider does not offer; none while the contract is unknown."""
    provider = case.observed.peers[consent.provider_key(case.service, consumed)]
    offered = _offered_methods(provider) if consumed.methods else None
    if offered is None:
        return
    services = {f"{method.partition('/')[0]}/*" for method in offered}
    for method in sorted(set(consumed.methods) - set(offered) - services):
        near = get_close_matches(method, sorted({*offered, *services} if method.endswith("/*") else offered), n=2)
        hint = f"did you mean {' or '.join(near)}" if near else f"offered: {', '.join(offered[:NAMED]) or 'none'}"
        where = f"{provider.key.name} in namespace {provider.key.namespace}"
        yield f"{where} offers no method {method}; {hint}"


def _offered_methods(provider: Peer) -> tuple[str, ...] | None:
    """The methods of a provider; None while the contract is unknown."""
    try:
        return compatibility.methods(compatibility.parse(provider.contract)) if provider.contract else None
    except compatibility.ContractError:
        return None
