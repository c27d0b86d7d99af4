"""Settings from environment variables."""

from __future__ import annotations

import pytest
from freehold.controller.settings import Settings, from_environment
from freehold.core.model.resources import Platform

HOME = "freehold-system"
POD = {"apiVersion": "v1", "kind": "Pod", "namespace": "ops", "name": "mine-1", "uid": "1"}
ELSEWHERE = Platform(
    operator_image="mirror/operator:1",
    account="ops:mine",
    secrets_role="mine-secrets",
    trust_domain="shop.example",
)


@pytest.mark.parametrize(
    ("says", "environment", "expected"),
    [
        ("no variables", {}, Settings((), HOME, {}, "", Platform(), "INFO")),
        ("empty namespaces mean all", {"FREEHOLD_NAMESPACES": " , "}, Settings((), HOME, {}, "", Platform(), "INFO")),
        (
            "two namespaces, with spaces",
            {"FREEHOLD_NAMESPACES": "shop, accounts,"},
            Settings(("shop", "accounts"), HOME, {}, "", Platform(), "INFO"),
        ),
        (
            "an image and a log level",
            {"FREEHOLD_POSTGRESQL_IMAGE": "mirror/postgres:{version}-1", "FREEHOLD_LOG_LEVEL": "debug"},
            Settings((), HOME, {}, "", Platform("mirror/postgres:{version}-1"), "DEBUG"),
        ),
        (
            "all other variables",
            {
                "FREEHOLD_HOME": "ops",
                "FREEHOLD_SERVICE_ACCOUNT": "mine",
                "FREEHOLD_SECRETS_ROLE": "mine-secrets",
                "FREEHOLD_IMAGE": "mirror/operator:1",
                "FREEHOLD_CANARIES": "canaries.ops.svc",
                "FREEHOLD_TRUST_DOMAIN": "shop.example",
                "FREEHOLD_POD": "mine-1",
                "FREEHOLD_POD_UID": "1",
                "FREEHOLD_LEASE": "mine",
            },
            Settings((), "ops", POD, "canaries.ops.svc", ELSEWHERE, "INFO", "mine"),
        ),
    ],
)
def test_settings_read(says: str, environment: dict[str, str], expected: Settings) -> None:
    """Each variable has its setting, with defaults."""
    assert from_environment(environment) == expected, says


def test_image_without_version_refused() -> None:
    """An image without {version} is refused."""
    with pytest.raises(ValueError, match=r"must contain \{version\}"):
        from_environment({"FREEHOLD_POSTGRESQL_IMAGE": "postgres:15"})
