"""The operator's settings, read from environment variables at the start."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from freehold.core.model.dns import Dns
from freehold.core.model.resources import Object, Platform
from freehold.monitors.dns import DnsSettings

RESOLVER = Path("/etc/resolv.conf")


@dataclass(frozen=True)
class Settings:
    """The settings of the operator.

    namespaces: to manage; empty for all. home: the operator's namespace. pod: the reference to the operator's pod for
    Events; empty outside a cluster. canaries: the host name of the canaries' Service; empty without canaries. lease:
    the name of the Lease for leader election; empty for an operator that always acts. dns: where DNS is.
    databases_at_once: how many databases may be down for a change of the platform.
    """

    namespaces: tuple[str, ...]
    home: str
    pod: Object
    canaries: str
    platform: Platform
    log_level: str
    lease: str = ""
    dns: DnsSettings = field(default_factory=DnsSettings)
    databases_at_once: int = 1


def from_environment(environment: Mapping[str, str] = os.environ, resolver: Path = RESOLVER) -> Settings:
    """Read the variables FREEHOLD_…, which the chart sets, and the cluster domain from resolv.conf. Raises
    ValueError."""
    namespaces = (name.strip() for name in environment.get("FREEHOLD_NAMESPACES", "").split(","))
    image = environment.get("FREEHOLD_POSTGRESQL_IMAGE") or Platform().postgresql_image
    if "{version}" not in image:
        raise ValueError(
            f"FREEHOLD_POSTGRESQL_IMAGE is {image!r}; it must contain {{version}}, like postgres:{{version}}"
        )
    level = environment.get("FREEHOLD_LOG_LEVEL", "INFO").upper()
    home = environment.get("FREEHOLD_HOME") or "freehold-system"
    account = f"{home}:{environment.get('FREEHOLD_SERVICE_ACCOUNT') or 'freehold'}"
    role = environment.get("FREEHOLD_SECRETS_ROLE") or Platform().secrets_role
    operator_image = environment.get("FREEHOLD_IMAGE") or Platform().operator_image
    domain = environment.get("FREEHOLD_TRUST_DOMAIN") or Platform().trust_domain
    configured = _resolver(resolver, home)
    cluster_domain = environment.get("FREEHOLD_CLUSTER_DOMAIN") or configured.domain or Platform().cluster_domain
    dns = _dns(environment, configured, cluster_domain)
    platform = Platform(image, operator_image, account, role, domain, cluster_domain, dns.given)
    canaries = environment.get("FREEHOLD_CANARIES", "")
    pod, lease = _pod(environment, home), environment.get("FREEHOLD_LEASE", "")
    at_once = int(environment.get("FREEHOLD_DATABASES_AT_ONCE") or 1)
    return Settings(tuple(filter(None, namespaces)), home, pod, canaries, platform, level, lease, dns, at_once)


class _Resolver(NamedTuple):
    """The cluster domain and the nameservers; empty in a resolv.conf that is not of a pod."""

    domain: str = ""
    nameservers: tuple[str, ...] = ()


def _resolver(file: Path, home: str) -> _Resolver:
    """Read resolv.conf, which the kubelet writes for each pod with the cluster domain in the search list
    (kubernetes.io/docs/concepts/services-networking/dns-pod-service)."""
    lines = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
    searched = (word for line in lines if line[:1] == ["search"] for word in line[1:])
    domain = next((word.partition(".svc.")[2] for word in searched if word.startswith(f"{home}.svc.")), "")
    # An address with a zone means nothing in a network policy.
    named = (line[1] for line in lines if line[:1] == ["nameserver"] and len(line) > 1 and "%" not in line[1])
    return _Resolver(domain.rstrip("."), tuple(str(ip_address(one)) for one in named)) if domain else _Resolver()


def _dns(environment: Mapping[str, str], resolver: _Resolver, domain: str) -> DnsSettings:
    """Read the variables FREEHOLD_DNS_…. Raises ValueError."""
    usual, labels = Dns(), _words(environment.get("FREEHOLD_DNS_POD_LABELS", ""))
    given = Dns(
        environment.get("FREEHOLD_DNS_NAMESPACE") or usual.namespace,
        dict(label.partition("=")[::2] for label in labels) or usual.pod_labels,
        tuple(map(int, _words(environment.get("FREEHOLD_DNS_PORTS", "")))),
        tuple(
            str(ip_address(one)) for one in _words(environment.get("FREEHOLD_DNS_ADDRESSES", ",".join(usual.addresses)))
        ),
    )
    name = f"kubernetes.default.svc.{domain}." if resolver.nameservers else ""
    return DnsSettings(given, bool(labels), resolver.nameservers, name)


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _pod(environment: Mapping[str, str], home: str) -> Object:
    name, uid = environment.get("FREEHOLD_POD"), environment.get("FREEHOLD_POD_UID")
    return {"apiVersion": "v1", "kind": "Pod", "namespace": home, "name": name, "uid": uid} if name and uid else {}
