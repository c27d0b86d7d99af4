"""The part of the resource that declares how callers from outside the cluster come in: by a Gateway of the Gateway API.

Bounds and patterns are those of GRPCRoute (gateway.networking.k8s.io/v1), so that what is taken here is taken there.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from freehold.api.schema import Model, rules

Namespace = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
LABEL = r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
"""A label's key, with its prefix or without."""
WILDCARD = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"


class Gateway(Model):
    """A Gateway that somebody else keeps, and whose listener admits routes from this namespace."""

    name: str = Field(pattern=SUBDOMAIN, min_length=1, max_length=63)
    """The Gateway's name. It is also a label of the pods that stand for it, hence at most 63 characters."""
    namespace: Namespace | None = None
    """The Gateway's namespace; left out, this one."""
    section_name: Annotated[str, Field(pattern=SUBDOMAIN, min_length=1, max_length=253)] | None = None
    """The one listener to use; left out, all of the Gateway's that fit."""


class Proxies(Model):
    """The pods that pass a Gateway's calls on, where they are not those that the Gateway API describes."""

    namespace: Namespace
    """The namespace they run in, like envoy-gateway-system."""
    pod_labels: Annotated[
        dict[
            str,
            Annotated[str, Field(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", max_length=63)],
        ],
        Field(
            min_length=1,
            max_length=8,
            json_schema_extra=rules(
                (
                    f"self.all(key, key.matches('{LABEL}'))",
                    "names what is no label; a key is like app or gateway.envoyproxy.io/owning-gateway-name",
                ),
            ),
        ),
    ]
    """Labels they carry, all of them."""


class Expose(Model):
    """How callers from outside the cluster reach the endpoint: through a Gateway, under these names."""

    gateway: Gateway
    """The Gateway that takes their calls."""
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
                            "='\\'' + self + '\\' is no name under a domain; write one like users.example.com'",
                        )
                    ),
                ),
            ]
        ],
        Field(min_length=1, max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ]
    """The names by which callers call it, like [users.example.com]; *.example.com stands for every name below it. That
    they lead to the Gateway, and its certificate, is the affair of whoever keeps the Gateway."""
    proxies: Proxies | None = None
    """The pods through which the Gateway passes calls on, and the only ones besides consumers that reach the port. Left
    out, those in the Gateway's namespace with the label gateway.networking.k8s.io/gateway-name, as Istio, NGINX Gateway
    Fabric and Contour's provisioner run them; Envoy Gateway, Traefik and others run theirs elsewhere."""
