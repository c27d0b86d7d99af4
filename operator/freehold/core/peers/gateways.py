"""Gateways: the way in for callers from outside the cluster, and the pods that stand for it."""

from __future__ import annotations

from typing import NamedTuple

from freehold.core.model.resources import Key, Object, Service
from freehold.core.objects import meta

GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"
"""The label of what an implementation deploys for a Gateway, in the Gateway's own namespace (GEP-1762)."""


class Proxies(NamedTuple):
    """The pods that pass a Gateway's calls on: those of a namespace that carry these labels, none of Freehold's.

    gateway: the Gateway's namespace and name.
    """

    gateway: Key
    namespace: str
    labels: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"the proxies of Gateway {self.gateway}"

    def are(self, others: Proxies) -> bool:
        """Whether others, of which no more labels are known than theirs, are among these."""
        return self.namespace == others.namespace and set(self.labels) <= set(others.labels)

    @property
    def peer(self) -> Object:
        """As a network policy names them. A pod of Freehold's comes in by consent, whatever it is labelled besides."""
        others = {"key": meta.MANAGED_BY, "operator": "NotIn", "values": [meta.MANAGER]}
        return {
            "namespaceSelector": {"matchLabels": {meta.NAMESPACE_NAME: self.namespace}},
            "podSelector": {"matchLabels": dict(self.labels), "matchExpressions": [others]},
        }


def usual(gateway: Key) -> Proxies:
    """Those that the Gateway API describes."""
    return Proxies(gateway, gateway.namespace, ((GATEWAY_NAME, gateway.name),))


def proxies(service: Service) -> Proxies | None:
    """Through whom a service takes calls from outside the cluster, where it does."""
    expose = service.spec.grpc.expose if service.spec.grpc else None
    if expose is None:
        return None
    gateway = Key(expose.gateway.namespace or service.namespace, expose.gateway.name)
    if expose.proxies is None:
        return usual(gateway)
    return Proxies(gateway, expose.proxies.namespace, tuple(sorted(expose.proxies.pod_labels.items())))
