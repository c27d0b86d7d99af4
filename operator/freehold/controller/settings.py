"""What the platform team sets, read from the environment once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from freehold.core.model.resources import Object, Platform

RESOLVER = Path("/etc/resolv.conf")


@dataclass(frozen=True)
class Settings:
    """namespaces: the ones to serve, none for all of them. home: the operator's own, where its authority is kept.

    pod: the operator's own, as an Event regards it; empty outside a cluster. canaries: the host name behind which they
    stand; empty where they are not installed.
    """

    namespaces: tuple[str, ...]
    home: str
    pod: Object
    canaries: str
    platform: Platform
    log_level: str


def from_environment(environment: Mapping[str, str] = os.environ, resolver: Path = RESOLVER) -> Settings:
    """Reads the variables FREEHOLD_…, which the chart's Deployment sets, and the cluster's domain from the resolver's
    file. Raises ValueError."""
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
    mine = environment.get("FREEHOLD_IMAGE") or Platform().operator_image
    domain = environment.get("FREEHOLD_TRUST_DOMAIN") or Platform().trust_domain
    platform = Platform(image, mine, account, role, domain, cluster_domain(resolver, home))
    canaries = environment.get("FREEHOLD_CANARIES", "")
    return Settings(tuple(filter(None, namespaces)), home, _pod(environment, home), canaries, platform, level)


def cluster_domain(resolver: Path, home: str) -> str:
    """As the kubelet tells it to each pod (kubernetes.io/docs/concepts/services-networking/dns-pod-service)."""
    words = resolver.read_text().split() if resolver.exists() else []
    found = (word.partition(".svc.")[2] for word in words if word.startswith(f"{home}.svc."))
    return next(found, Platform().cluster_domain).rstrip(".")


def _pod(environment: Mapping[str, str], home: str) -> Object:
    name, uid = environment.get("FREEHOLD_POD"), environment.get("FREEHOLD_POD_UID")
    return {"apiVersion": "v1", "kind": "Pod", "namespace": home, "name": name, "uid": uid} if name and uid else {}
