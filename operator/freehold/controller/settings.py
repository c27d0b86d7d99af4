"""The operator's settings, read from environment variables at the start."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from freehold.core.model.resources import Object, Platform

RESOLVER = Path("/etc/resolv.conf")


@dataclass(frozen=True)
class Settings:
    """The settings of the operator.

    namespaces: to manage; empty for all. home: the operator's namespace. pod: the reference to the operator's pod for
    Events; empty outside a cluster. canaries: the host name of the canaries' Service; empty without canaries. lease:
    the name of the Lease for leader election; empty for an operator that always acts.
    """

    namespaces: tuple[str, ...]
    home: str
    pod: Object
    canaries: str
    platform: Platform
    log_level: str
    lease: str = ""


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
    platform = Platform(image, operator_image, account, role, domain, cluster_domain(resolver, home))
    canaries = environment.get("FREEHOLD_CANARIES", "")
    pod, lease = _pod(environment, home), environment.get("FREEHOLD_LEASE", "")
    return Settings(tuple(filter(None, namespaces)), home, pod, canaries, platform, level, lease)


def cluster_domain(resolver: Path, home: str) -> str:
    """Return the cluster domain from the search list of resolv.conf, which the kubelet writes for each pod
    (kubernetes.io/docs/concepts/services-networking/dns-pod-service)."""
    words = resolver.read_text().split() if resolver.exists() else []
    domains = (word.partition(".svc.")[2] for word in words if word.startswith(f"{home}.svc."))
    return next(domains, Platform().cluster_domain).rstrip(".")


def _pod(environment: Mapping[str, str], home: str) -> Object:
    name, uid = environment.get("FREEHOLD_POD"), environment.get("FREEHOLD_POD_UID")
    return {"apiVersion": "v1", "kind": "Pod", "namespace": home, "name": name, "uid": uid} if name and uid else {}
