"""The Service, the ServiceAccount and the disruption budget of a service."""

from __future__ import annotations

from freehold.core.handover import endpoint_slices, routing
from freehold.core.model import remote
from freehold.core.model.case import Case
from freehold.core.model.resources import Object, Service
from freehold.core.objects import meta
from freehold.core.peers import consent

CAPABILITY = "workload"


def labels(service: Service, version: str = "") -> dict[str, str]:
    return meta.labels(service, meta.SERVICE, CAPABILITY, version)


def account(service: Service) -> Object:
    return meta.build(
        service, "v1", "ServiceAccount", service.name, labels(service), automountServiceAccountToken=False
    )


def build(case: Case) -> Object:
    """The headless Service; while the endpoint redirects, an ExternalName, or a Service with remote endpoints."""
    ports: list[Object] = []
    if case.spec.grpc:
        port = {"name": "grpc", "port": case.spec.grpc.port, "targetPort": "grpc", "protocol": "TCP"}
        ports.append(
            {**port, "appProtocol": "https" if consent.requires_mutual_tls(case.service) else "kubernetes.io/h2c"}
        )
    if case.spec.http:
        port = {"name": "http", "port": case.spec.http.port, "targetPort": "http", "protocol": "TCP"}
        ports.append({**port, "appProtocol": "http"})
    spec: Object = {"clusterIP": "None", "selector": meta.selector(case.name, meta.SERVICE), "ports": ports}
    body = meta.build(case.service, "v1", "Service", case.name, labels(case.service), spec=spec)
    target = routing.endpoint_target(case)
    if target and not remote.is_remote(target.namespace):
        body["spec"] = {"type": "ExternalName", "externalName": routing.alias(target, case.observed), "ports": ports}
    elif target and (endpoint_slices.is_attached(case) or routing.current_target(case) == target):
        # A selector without pods, so that the cluster's own controller removes the local pods from the endpoints.
        body["spec"] = {**spec, "selector": meta.selector(case.name, meta.REMOTE)}
        body["metadata"]["annotations"] = {meta.ENDPOINT_TARGET: target.namespace}
    return body


def disruption_budget(service: Service) -> Object:
    """The budget, which protects ready pods only: a drain ends, although no pod is ready (KEP-3017)."""
    spec: Object = {"maxUnavailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow"}
    spec["selector"] = meta.serving(service.name)
    return meta.build(service, "policy/v1", "PodDisruptionBudget", service.name, labels(service), spec=spec)
