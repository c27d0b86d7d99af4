"""What the platform team sets, read from the environment once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from freehold.core.model import Platform


@dataclass(frozen=True)
class Settings:
    """namespaces: the ones to serve, none for all of them."""

    namespaces: tuple[str, ...]
    platform: Platform
    log_level: str


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """FREEHOLD_NAMESPACES, FREEHOLD_POSTGRESQL_IMAGE and FREEHOLD_LOG_LEVEL. Raises ValueError."""
    namespaces = (name.strip() for name in environment.get("FREEHOLD_NAMESPACES", "").split(","))
    image = environment.get("FREEHOLD_POSTGRESQL_IMAGE") or Platform().postgresql_image
    if "{version}" not in image:
        raise ValueError(
            f"FREEHOLD_POSTGRESQL_IMAGE is {image!r}; it must contain {{version}}, like postgres:{{version}}"
        )
    level = environment.get("FREEHOLD_LOG_LEVEL", "INFO").upper()
    return Settings(tuple(filter(None, namespaces)), Platform(postgresql_image=image), level)
