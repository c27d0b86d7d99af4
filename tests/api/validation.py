"""Microservices to validate, and the API server's message on refusing a resource."""

from __future__ import annotations

from typing import Any

from freehold.core.model.resources import Object

from tests.api.cluster import Cluster, Refused

SPEC: Object = {"image": "users:1", "grpc": {"port": 50051}}
DATABASE: Object = {"version": "15", "storage": {"size": "2Gi", "className": "standard"}}


def microservice(name: str = "users", namespace: str = "default", **spec: Any) -> Object:
    """Return a Microservice; fields of the spec that are None are left out."""
    whole = {key: value for key, value in {**SPEC, **spec}.items() if value is not None}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "freehold.dev/v1alpha1", "kind": "Microservice", "metadata": metadata, "spec": whole}


GATEWAY: Object = {"name": "public", "namespace": "gateways"}


def exposed(**expose: Any) -> Object:
    """Return an exposed service; fields that are None are left out."""
    whole = {"gateway": GATEWAY, "hostnames": ["users.example.com"], **expose}
    return microservice(grpc={"expose": {key: value for key, value in whole.items() if value is not None}})


def proxies(labels: Object) -> Object:
    return exposed(proxies={"namespace": "envoy-gateway-system", "podLabels": labels})


def refusal(cluster: Cluster, body: Object) -> str:
    """Return the API server's message on refusing a resource; empty on acceptance."""
    try:
        cluster.create(body, dryRun="All", fieldValidation="Strict")
    except Refused as refused:
        return str(refused)
    return ""
