"""Gateways, through which callers outside the cluster reach a service, and the proxy pods of Gateways."""

from __future__ import annotations

from typing import NamedTuple

from freehold.core.model.resources import Key, Object, Service
from freehold.core.objects import meta

GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"
"""The label of objects that an implementation deploys for a Gateway, in the Gateway's namespace (GEP-1762)."""


class Proxies(NamedTuple):
    """The proxy pods of a Gateway: pods of a namespace with all of `labels`, except Freehold's own pods.

    gateway: namespace and name of the Gateway.
    """

    gateway: Key
    namespace: str
    labels: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"the proxies of Gateway {self.gateway}"

    def include(self, others: Proxies) -> bool:
        """Return whether all pods of `others` are pods of `self`, as far as the labels tell."""
        return self.namespace == others.namespace and set(self.labels) <= set(others.labels)

    @property
    def peer(self) -> Object:
        """The peer of a network policy rule. Pods of Freehold are excluded, because consent alone admits them."""
        unmanaged = {"key": meta.MANAGED_BY, "operator": "NotIn", "values": [meta.MANAGER]}
        return {
            "namespaceSelector": {"matchLabels": {meta.NAMESPACE_NAME: self.namespace}},
            "podSelector": {"matchLabels": dict(self.labels), "matchExpressions": [unmanaged]},
        }


def default_proxies(gateway: Key) -> Proxies:
    """Return the proxies as the Gateway API labels them (GEP-1762)."""
    return Proxies(gateway, gateway.namespace, ((GATEWAY_NAME, gateway.name),))


def proxies(service: Service) -> Proxies | None:
    """Return the proxies that call a service for clients outside the cluster; None without spec.grpc.expose."""
    expose = service.spec.grpc.expose if service.spec.grpc else None
    if expose is None:
        return None
    gateway = Key(expose.gateway.namespace or service.namespace, expose.gateway.name)
    if expose.proxies is None:
        return default_proxies(gateway)
    return Proxies(gateway, expose.proxies.namespace, tuple(sorted(expose.proxies.pod_labels.items())))
