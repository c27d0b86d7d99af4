"""The registry of remote clusters, which the platform team keeps in a ConfigMap of the operator's namespace.

A tenant names a registered cluster and supplies a token. Server, certificate authority and pod addresses come from the
registry, since the operator connects to the server and writes the addresses to network policies and EndpointSlices.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from freehold.core.model.resources import Object
from freehold.kube import addresses
from freehold.kube.addresses import Address, Network

CONFIG_MAP = "freehold-clusters"
KEY = "clusters.yaml"
SERVER = re.compile(r"https://(\[[0-9a-f:.]+\]|[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?)(?::([0-9]{1,5}))?/?")
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""The last label of a host that resolvers read as an IPv4 address (URL Standard, 'ends in a number')."""
REGISTER = f"ask the platform team to register the cluster in ConfigMap {CONFIG_MAP} of the operator's namespace"
CORRECT = f"ask the platform team to correct ConfigMap {CONFIG_MAP} of the operator's namespace"


class NotRegisteredError(Exception):
    """A cluster is not in the registry, or its entry cannot be used; the message has the cause and the action."""


def https_server(url: str) -> str:
    """Return the server of a URL as `https://host:port`, which is all a URL may have. Raises ValueError."""
    match = SERVER.fullmatch(url.lower())
    if match is None or not 0 < (port := int(match[2] or 443)) < 65536:
        raise ValueError("the server is not https://host:port without user, path and query")
    literal = literal_address(match[1])
    if literal is None and NUMBER.fullmatch(match[1].rpartition(".")[2]):
        raise ValueError("the server is a number that is no address")
    if literal and addresses.is_forbidden(literal):
        raise ValueError("the server is a link-local, multicast or metadata address")
    return f"https://{match[1]}:{port}"


def literal_address(host: str) -> Address | None:
    """Return the address that a host is written as; None for a host name."""
    try:
        return addresses.parse(host.strip("[]"))
    except ValueError:
        return None


def _authorities(text: str) -> str:
    try:
        ssl.create_default_context(cadata=text)
    except (ValueError, OSError) as error:  # ssl.SSLError is an OSError
        raise ValueError("the certificate authority is not PEM") from error
    return text


def _network(text: object) -> Network:
    return ip_network(str(text))


Block = Annotated[Network, BeforeValidator(_network)]


class Cluster(BaseModel):
    """A registered cluster.

    server: `https://host:port`. certificate_authority: PEM. pod_cidrs: the address blocks of the pods.
    tls_server_name: in the server's certificate, if another than the host. expiry_seconds: how long the addresses of
    pods count while the cluster is silent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    server: Annotated[str, AfterValidator(https_server)]
    certificate_authority: Annotated[str, AfterValidator(_authorities)] = Field(
        alias="certificateAuthority", min_length=1, max_length=131072
    )
    pod_cidrs: tuple[Block, ...] = Field(alias="podCIDRs", min_length=1, max_length=64)
    tls_server_name: str | None = Field(None, alias="tlsServerName", pattern=r"^[A-Za-z0-9][-A-Za-z0-9.]{0,252}$")
    expiry_seconds: int = Field(300, alias="expirySeconds", ge=120, le=604800)


@dataclass(frozen=True)
class Registry:
    """The registered clusters.

    faults: why an entry cannot be used, by name. local_cidrs: the blocks of this cluster's pods, Services and nodes.
    fault: why the registry as a whole cannot be used; empty if it can.
    """

    clusters: Mapping[str, Cluster] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    local_cidrs: tuple[Network, ...] = ()
    fault: str = ""

    def cluster(self, name: str) -> Cluster:
        """Return a registered cluster. Raises NotRegisteredError."""
        if found := self.clusters.get(name):
            return found
        if fault := self.faults.get(name) or self.fault:
            raise NotRegisteredError(f"the registration of cluster {name} cannot be used ({fault}); {CORRECT}")
        raise NotRegisteredError(f"cluster {name} is not registered; {REGISTER}")

    def is_local(self, address: Address) -> bool:
        """Return whether an address belongs to this cluster."""
        return any(address in block for block in self.local_cidrs)


def parse(config_map: Object | None) -> Registry:
    """Return the registry in a ConfigMap; an empty one without the ConfigMap. An invalid entry spoils no other."""
    if config_map is None:
        return Registry()
    try:
        whole = yaml.load((config_map.get("data") or {}).get(KEY) or "{}", yaml.CSafeLoader)
        entries, own = dict(whole.get("clusters") or {}), tuple(map(_network, whole.get("localCIDRs") or ()))
    except (yaml.YAMLError, AttributeError, TypeError, ValueError):
        return Registry(fault=f"key {KEY} is not a map with clusters and localCIDRs")
    clusters: dict[str, Cluster] = {}
    faults: dict[str, str] = {}
    for name, entry in entries.items():
        try:
            clusters[str(name)] = Cluster.model_validate(entry)
        except ValidationError as error:
            faults[str(name)] = explain(error)
    return Registry(clusters, faults, own)


def explain(error: ValidationError) -> str:
    """Return the first validation error with the path of the field, without the value."""
    fault: Any = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"[:200]
