"""The part of the resource that exposes the gRPC endpoint outside the cluster, by a Gateway of the Gateway API.

Bounds and patterns are those of GRPCRoute (gateway.networking.k8s.io/v1), hence each accepted value fits a GRPCRoute.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from freehold.api.schema import LabelValue, Model, QualifiedName, rules

Namespace = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
LABEL = r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
"""The key of a label, with or without a prefix."""
WILDCARD = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"


class Gateway(Model):
    """An existing Gateway with a listener that admits routes from this namespace."""

    name: str = Field(pattern=SUBDOMAIN, min_length=1, max_length=63)
    """The name of the Gateway, at most 63 characters, since the proxies carry the name as a label."""
    namespace: Namespace | None = None
    """The namespace of the Gateway. Default: the service's namespace."""
    section_name: Annotated[str, Field(pattern=SUBDOMAIN, min_length=1, max_length=253)] | None = None
    """The name of a single listener to use. Default: all matching listeners of the Gateway."""


class Proxies(Model):
    """The proxies of a Gateway, if they do not run in the Gateway's namespace with the Gateway API's label."""

    namespace: Namespace
    """The namespace of the proxies, such as envoy-gateway-system."""
    pod_labels: Annotated[
        dict[QualifiedName, LabelValue],
        Field(
            min_length=1,
            max_length=8,
            json_schema_extra=rules(
                (
                    f"self.all(key, key.matches('{LABEL}'))",
                    "has a key that is not a label key; write one like app or "
                    "gateway.envoyproxy.io/owning-gateway-name",
                ),
            ),
        ),
    ]
    """Labels that select the proxies. A proxy must carry all labels."""


class Expose(Model):
    """Access to the endpoint from outside the cluster, by a Gateway and host names."""

    gateway: Gateway
    """The Gateway that receives the calls."""
    hostnames: Annotated[
        list[
            Annotated[
                str,
                Field(
                    pattern=WILDCARD,
                    min_length=1,
                    max_length=253,
                    json_schema_extra=rules(
                        (
                            "self.contains('.') && !isIP(self)",
                            "='\\'' + self + '\\' is not a name under a domain; write one like users.example.com'",
                        )
                    ),
                ),
            ]
        ],
        Field(min_length=1, max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ]
    """The host names for callers, such as [users.example.com]; *.example.com covers every name below example.com. DNS
    and certificates for the names are managed with the Gateway, not by Freehold."""
    proxies: Proxies | None = None
    """The pods by which the Gateway forwards calls; besides consumers, only these pods reach the port. Default: pods in
    the Gateway's namespace with the label gateway.networking.k8s.io/gateway-name, as run by Istio, NGINX Gateway Fabric
    and Contour's provisioner. Envoy Gateway, Traefik and others need this field."""
