"""The environment: what a service is handed and asked for, the same in every language and with no SDK.

Variables and files tell it where to listen, where its database is, whom it calls and how each side proves itself; it is
asked for its health. The README publishes all of this: what is here cannot change without a word there.
"""

from __future__ import annotations

from freehold.api.v1alpha1.grpc import Tls
from freehold.core import engines
from freehold.core.model.case import Case
from freehold.core.model.quantities import milliseconds
from freehold.core.model.resources import Object, Service
from freehold.core.objects import meta, names
from freehold.core.peers import consent, remote_callers

TLS_SUFFIX = names.tls_variable("")


def variables(case: Case) -> list[Object]:
    """The variables."""
    spec = case.spec
    variables: list[Object] = [{"name": "SERVICE_BINDING_ROOT", "value": names.BINDING_ROOT}]
    if spec.grpc:
        variables.append({"name": "GRPC_PORT", "value": str(spec.grpc.port)})
    if consent.needs_identity(case):
        variables.append({"name": "GRPC_TLS_DIR", "value": names.IDENTITY_ROOT})
    if consent.asks_identity(case.service):
        variables.append({"name": "GRPC_TLS", "value": Tls.MUTUAL.value})
        variables.append({"name": "GRPC_HEALTH_PORT", "value": str(_health_port(case.service))})
    if spec.http:
        variables.append({"name": "HTTP_PORT", "value": str(spec.http.port)})
    if spec.latency_budget:
        variables.append({"name": "LATENCY_BUDGET_MS", "value": str(milliseconds(spec.latency_budget))})
    if spec.database:
        url = {"secretKeyRef": {"name": names.database(case.name), "key": "uri"}}
        variables.append({"name": "DATABASE_URL", "valueFrom": url})
    for consumed in spec.consumes:
        port = consent.provider_port(case, consumed)
        target = names.target(consent.provider_key(case.service, consumed), port)
        variables.append({"name": names.target_variable(consumed.name), "value": target})
        if consent.is_mutual(case, consumed):
            variables.append({"name": names.tls_variable(consumed.name), "value": Tls.MUTUAL.value})
    return variables


def mounts(case: Case) -> list[Object]:
    """Where the files are."""
    listed: list[Object] = [{"name": "tmp", "mountPath": "/tmp"}]
    if case.spec.database or case.spec.consumes:
        listed.append({"name": "bindings", "mountPath": names.BINDING_ROOT, "readOnly": True})
    if consent.needs_identity(case):
        listed.append({"name": "identity", "mountPath": names.IDENTITY_ROOT, "readOnly": True})
    return listed


def volumes(case: Case) -> list[Object]:
    """Scratch space, and what the service is handed in files."""
    volumes: list[Object] = [{"name": "tmp", "emptyDir": {}}]
    if bindings := _bindings(case):
        volumes.append({"name": "bindings", "projected": {"sources": bindings}})
    if consent.needs_identity(case):
        volumes.append({"name": "identity", "projected": {"sources": _identity(case.service)}})
    return volumes


def reader_variables(case: Case) -> list[Object]:
    """The variables for one who only says what it offers: nothing in them proves anything, or leads to data."""
    proofs = ("GRPC_TLS", "GRPC_TLS_DIR", "GRPC_HEALTH_PORT")
    kept = [v for v in variables(case) if v["name"] not in proofs and not v["name"].endswith(TLS_SUFFIX)]
    unreachable = engines.of(case.spec.database).unreachable if case.spec.database else ""
    return [{"name": v["name"], "value": unreachable} if "valueFrom" in v else v for v in kept]


def reader_volumes(case: Case) -> list[Object]:
    """What such a one is handed in files: no Secret is among it."""
    volumes: list[Object] = [{"name": "tmp", "emptyDir": {}}]
    if sources := [source for source in _bindings(case) if "secret" not in source]:
        volumes.append({"name": "bindings", "projected": {"sources": sources}})
    return volumes


def reader_mounts(case: Case) -> list[Object]:
    """Where these files are."""
    there = {volume["name"] for volume in reader_volumes(case)}
    return [mount for mount in mounts(case) if mount["name"] in there]


def _identity(service: Service) -> list[Object]:
    """Its certificate, whom to trust and, where it asks its callers who they are, whom to admit."""
    sources: list[Object] = [{"secret": {"name": names.identity(service.name)}}]
    return (
        [*sources, {"configMap": {"name": names.clients(service.name)}}] if consent.asks_identity(service) else sources
    )


def _bindings(case: Case) -> list[Object]:
    """A directory for each (servicebinding.io, 'Workload Projection')."""
    sources: list[Object] = []
    if case.spec.database:
        keys = ("type", "provider", "host", "port", "database", "username", "password", "uri", names.CA_FILE)
        items = [{"key": key, "path": f"database/{key}"} for key in keys]
        sources.append({"secret": {"name": names.database(case.name), "items": items}})
    for consumed in case.spec.consumes:
        parts = ("type", "host", "port", "uri", *(["tls"] if consent.is_mutual(case, consumed) else []))
        items = [{"key": f"{consumed.name}.{part}", "path": f"{consumed.name}/{part}"} for part in parts]
        sources.append({"configMap": {"name": names.consumed(case.name), "items": items}})
    if case.spec.consumes:
        sources.append({"configMap": _service_configs(case.service)})
    return sources


def _service_configs(service: Service) -> Object:
    """How to call each consumed service. What is not known yet is left out, and pods start without it: `optional` holds
    for the keys as well (core/v1, ConfigMapProjection). It comes as they run, and rolls nobody."""
    keys = [(f"{consumed.name}.{names.SERVICE_CONFIG}", consumed.name) for consumed in service.spec.consumes]
    items = [{"key": key, "path": f"{name}/{names.SERVICE_CONFIG}"} for key, name in keys]
    return {"name": names.consumed(service.name), "items": items, "optional": True}


def clients(case: Case, labels: dict[str, str]) -> Object:
    """Who may call, an identity a line: those that declare it and are admitted. It is read as the service runs."""
    domain = case.observed.platform.trust_domain
    callers = (*consent.consumers(case), *remote_callers.remote_consumers(case))
    listed = list(dict.fromkeys(names.spiffe_id(domain, key) for key in callers))
    data = {"clients": "".join(f"{identity}\n" for identity in listed)}
    return meta.build(case.service, "v1", "ConfigMap", names.clients(case.name), labels, data=data)


def probes(service: Service) -> Object:
    """gRPC's own health service where there is one (KEP-2727), else the front end's /healthz.

    Liveness asks only whether the port answers: a service that says it cannot serve, as while its database is away,
    is taken out of the endpoints and not restarted.
    """
    if service.spec.grpc:
        check: Object = {"grpc": {"port": _health_port(service)}}
    else:
        check = {"httpGet": {"path": "/healthz", "port": "http"}}
    listens = "grpc" if service.spec.grpc else "http"
    return {
        "startupProbe": {**check, "periodSeconds": 1, "failureThreshold": 120},
        "readinessProbe": {**check, "periodSeconds": 5},
        "livenessProbe": {"tcpSocket": {"port": listens}, "periodSeconds": 10, "failureThreshold": 6},
    }


def _health_port(service: Service) -> int:
    """Where health is asked for. The kubelet speaks no TLS (KEP-4939), so a service that does answers elsewhere."""
    assert service.spec.grpc
    port, page = service.spec.grpc.port, service.spec.http.port if service.spec.http else None
    return names.health_port(port, page) if consent.asks_identity(service) else port
