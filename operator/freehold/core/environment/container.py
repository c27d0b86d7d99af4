"""The environment of a service's container: variables, mounted files and health checks, without an SDK.

Variables and files hold ports, the database binding, addresses of consumed services and certificates.
docs/concepts/service-environment.md documents all of them and must be changed together with this module.
"""

from __future__ import annotations

from freehold.api.v1alpha1.grpc import Tls
from freehold.core import engines
from freehold.core.model.case import Case
from freehold.core.model.quantities import duration, milliseconds
from freehold.core.model.resources import Object, Service
from freehold.core.objects import meta, names
from freehold.core.peers import consent, remote_callers

TLS_SUFFIX = names.tls_variable("")
DEFAULT_STARTUP_SECONDS = 120


def variables(case: Case) -> list[Object]:
    """The environment variables of a service."""
    spec = case.spec
    variables: list[Object] = [{"name": "SERVICE_BINDING_ROOT", "value": names.BINDING_ROOT}]
    if spec.grpc:
        variables.append({"name": "GRPC_PORT", "value": str(spec.grpc.port)})
    if consent.needs_identity(case):
        variables.append({"name": "GRPC_TLS_DIR", "value": names.IDENTITY_ROOT})
    if consent.requires_mutual_tls(case.service):
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
    """The mounts of a service's files."""
    listed: list[Object] = [{"name": "tmp", "mountPath": "/tmp"}]
    if case.spec.database or case.spec.consumes:
        listed.append({"name": "bindings", "mountPath": names.BINDING_ROOT, "readOnly": True})
    if consent.needs_identity(case):
        listed.append({"name": "identity", "mountPath": names.IDENTITY_ROOT, "readOnly": True})
    return listed


def volumes(case: Case) -> list[Object]:
    """The volumes of a service: scratch space, bindings, and the certificate."""
    volumes: list[Object] = [{"name": "tmp", "emptyDir": {}}]
    if bindings := _bindings(case):
        volumes.append({"name": "bindings", "projected": {"sources": bindings}})
    if consent.needs_identity(case):
        volumes.append({"name": "identity", "projected": {"sources": _identity(case.service)}})
    return volumes


def reader_variables(case: Case) -> list[Object]:
    """The variables for reading a contract: without credentials, and with an unreachable DATABASE_URL."""
    tls = ("GRPC_TLS", "GRPC_TLS_DIR", "GRPC_HEALTH_PORT")
    kept = [v for v in variables(case) if v["name"] not in tls and not v["name"].endswith(TLS_SUFFIX)]
    unreachable = engines.of(case.spec.database).unreachable if case.spec.database else ""
    return [{"name": v["name"], "value": unreachable} if "valueFrom" in v else v for v in kept]


def reader_volumes(case: Case) -> list[Object]:
    """The volumes for reading a contract, without Secrets."""
    volumes: list[Object] = [{"name": "tmp", "emptyDir": {}}]
    if sources := [source for source in _bindings(case) if "secret" not in source]:
        volumes.append({"name": "bindings", "projected": {"sources": sources}})
    return volumes


def reader_mounts(case: Case) -> list[Object]:
    """The mounts for reading a contract."""
    kept = {volume["name"] for volume in reader_volumes(case)}
    return [mount for mount in mounts(case) if mount["name"] in kept]


def _identity(service: Service) -> list[Object]:
    """The sources of the certificate and, with mutual TLS, of the list of admitted clients."""
    sources: list[Object] = [{"secret": {"name": names.identity(service.name)}}]
    return (
        [*sources, {"configMap": {"name": names.clients(service.name)}}]
        if consent.requires_mutual_tls(service)
        else sources
    )


def _bindings(case: Case) -> list[Object]:
    """The sources of the bindings, a directory for each (servicebinding.io, 'Workload Projection')."""
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
    """The source of the service configs. Missing keys are optional (core/v1, ConfigMapProjection): pods start without
    the files, and the kubelet adds the files later without a restart."""
    keys = [(f"{consumed.name}.{names.SERVICE_CONFIG}", consumed.name) for consumed in service.spec.consumes]
    items = [{"key": key, "path": f"{name}/{names.SERVICE_CONFIG}"} for key, name in keys]
    return {"name": names.consumed(service.name), "items": items, "optional": True}


def clients(case: Case, labels: dict[str, str]) -> Object:
    """The ConfigMap with the identities of admitted consumers, one per line; the service rereads the file."""
    domain = case.observed.platform.trust_domain
    callers = (*consent.consumers(case), *remote_callers.remote_consumers(case))
    listed = list(dict.fromkeys(names.spiffe_id(domain, key) for key in callers))
    data = {"clients": "".join(f"{identity}\n" for identity in listed)}
    return meta.build(case.service, "v1", "ConfigMap", names.clients(case.name), labels, data=data)


def probes(service: Service) -> Object:
    """The health checks: gRPC's health service (KEP-2727), or /healthz over HTTP.

    Liveness only checks that the port accepts connections: a service that reports NOT_SERVING, such as without a
    database, leaves the endpoints and is not restarted.
    """
    if service.spec.grpc:
        check: Object = {"grpc": {"port": _health_port(service)}}
    else:
        check = {"httpGet": {"path": "/healthz", "port": "http"}}
    listens = "grpc" if service.spec.grpc else "http"
    seconds = startup_seconds(service) or DEFAULT_STARTUP_SECONDS
    return {
        "startupProbe": {**check, "periodSeconds": 1, "failureThreshold": seconds},
        "readinessProbe": {**check, "periodSeconds": 5},
        "livenessProbe": {"tcpSocket": {"port": listens}, "periodSeconds": 10, "failureThreshold": 6},
    }


def startup_seconds(service: Service) -> int | None:
    """The declared time for the start of a container; None for the default."""
    declared = service.spec.startup_timeout
    return int(duration(declared).total_seconds()) if declared else None


def _health_port(service: Service) -> int:
    """The port of the health service: a separate port with mutual TLS, since the kubelet has no TLS (KEP-4939)."""
    assert service.spec.grpc
    port, http_port = service.spec.grpc.port, service.spec.http.port if service.spec.http else None
    return names.health_port(port, http_port) if consent.requires_mutual_tls(service) else port
