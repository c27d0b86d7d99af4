"""Dependencies: which services this one calls, where they are, and whether they consent.

A provider that is missing, does not consent or offers no such method shows here and stops nothing else: the service is
provisioned, its address for the provider is handed in, and the way opens by itself once both sides agree.
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
"""Methods a message names."""


def plan(case: Case) -> Plan:
    """The binding of each consumed service: where it is, and how to call it; and whether all can be reached."""
    if not case.spec.consumes:
        return Plan(CAPABILITY, ())
    return Plan(CAPABILITY, (_bindings(case),), _condition(case))


def _bindings(case: Case) -> Object:
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
        said = "; ".join(message for _, message in refusals)
        return Condition(Type.DEPENDENCIES_RESOLVED, State.FALSE, refusals[0][0], said)
    if missing := [said for c in case.spec.consumes for said in _missing(case, c)]:
        return Condition(Type.DEPENDENCIES_RESOLVED, State.FALSE, Reason.METHOD_NOT_FOUND, "; ".join(missing[:NAMED]))
    listed = ", ".join(c.name for c in case.spec.consumes)
    providers = [case.observed.peers[consent.provider_key(case.service, c)] for c in case.spec.consumes]
    waiting = [str(p.key) for p in providers if not p.ready]
    # A provider that is not ready is its own owner's affair: said here, and held against nobody.
    said = f"consumes {listed}" + (f"; not ready at the moment: {', '.join(waiting)}" if waiting else "")
    return Condition(Type.DEPENDENCIES_RESOLVED, State.TRUE, Reason.RESOLVED, said)


def _missing(case: Case, consumed: Consumed) -> Iterator[str]:
    """What is declared to be called there and is not offered; nothing, while it is not known what is."""
    provider = case.observed.peers[consent.provider_key(case.service, consumed)]
    offered = _offers(provider) if consumed.methods else None
    if offered is None:
        return
    of_a_service = {f"{method.partition('/')[0]}/*" for method in offered}
    for method in sorted(set(consumed.methods) - set(offered) - of_a_service):
        near = get_close_matches(method, sorted({*offered, *of_a_service} if method.endswith("/*") else offered), n=2)
        hint = f"did you mean {' or '.join(near)}" if near else f"it offers {', '.join(offered[:NAMED]) or 'none'}"
        where = f"{provider.key.name} in namespace {provider.key.namespace}"
        yield f"{where} offers no method {method}; {hint}"


def _offers(provider: Peer) -> tuple[str, ...] | None:
    """The methods that a provider is known to offer."""
    try:
        return compatibility.methods(compatibility.parse(provider.contract)) if provider.contract else None
    except compatibility.ContractError:
        return None
