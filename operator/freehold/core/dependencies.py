"""Dependencies: which services this one calls, where they are, and whether they consent.

A provider that is missing or does not consent shows here and stops nothing else: the service is provisioned, its
address for the provider is handed in, and the way opens by itself once both sides agree.
"""

from __future__ import annotations

from freehold.api.v1alpha1 import Tls
from freehold.core import consent, meta, names
from freehold.core.model import Condition, Object, Observed, Plan, Reason, Service, State, Type

CAPABILITY = "dependencies"


def desired(service: Service, observed: Observed) -> Plan:
    """The binding of each consumed service (type, host, port, uri), and whether all of them can be reached."""
    if not service.spec.consumes:
        return Plan(CAPABILITY, ())
    return Plan(CAPABILITY, (_bindings(service, observed),), _condition(service, observed))


def _bindings(service: Service, observed: Observed) -> Object:
    data: dict[str, str] = {}
    for consumed in service.spec.consumes:
        provider = consent.provider_key(service, consumed)
        port = consent.provider_port(service, consumed, observed)
        data[f"{consumed.name}.type"] = "grpc"
        data[f"{consumed.name}.host"] = names.host(provider.name, provider.namespace)
        data[f"{consumed.name}.port"] = str(port)
        data[f"{consumed.name}.uri"] = names.target(provider, port)
        if consent.is_mutual(service, consumed, observed):
            data[f"{consumed.name}.tls"] = Tls.MUTUAL.value
    labels = meta.labels(service, meta.SERVICE, CAPABILITY)
    return meta.build(service, "v1", "ConfigMap", names.consumed(service.name), labels, data=data)


def _condition(service: Service, observed: Observed) -> Condition:
    refusals = [r for c in service.spec.consumes if (r := consent.refusal(service, c, observed))]
    if refusals:
        said = "; ".join(message for _, message in refusals)
        return Condition(Type.DEPENDENCIES_RESOLVED, State.FALSE, refusals[0][0], said)
    listed = ", ".join(c.name for c in service.spec.consumes)
    providers = [observed.peers[consent.provider_key(service, c)] for c in service.spec.consumes]
    waiting = [str(p.key) for p in providers if not p.ready]
    # A provider that is not ready is its own owner's affair: said here, and held against nobody.
    said = f"consumes {listed}" + (f"; not ready at the moment: {', '.join(waiting)}" if waiting else "")
    return Condition(Type.DEPENDENCIES_RESOLVED, State.TRUE, Reason.RESOLVED, said)
