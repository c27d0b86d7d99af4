"""What the platform team sets, read from the environment once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from freehold.core.model import Platform


@dataclass(frozen=True)
class Settings:
    """namespaces: the ones to serve, none for all of them. home: the operator's own, where its authority is kept."""

    namespaces: tuple[str, ...]
    home: str
    platform: Platform
    log_level: str


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """Reads the variables FREEHOLD_…, which the chart's Deployment sets. Raises ValueError."""
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
    platform = Platform(postgresql_image=image, account=account, secrets_role=role)
    return Settings(tuple(filter(None, namespaces)), home, platform, level)
