"""Settings: what the environment says, or a sentence about what is wrong with it."""

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
        ("nothing is said", {}, Settings((), HOME, {}, "", Platform(), "INFO")),
        ("empty is all namespaces", {"FREEHOLD_NAMESPACES": " , "}, Settings((), HOME, {}, "", Platform(), "INFO")),
        (
            "two namespaces, with spaces",
            {"FREEHOLD_NAMESPACES": "shop, accounts,"},
            Settings(("shop", "accounts"), HOME, {}, "", Platform(), "INFO"),
        ),
        (
            "an image and a level",
            {"FREEHOLD_POSTGRESQL_IMAGE": "mirror/postgres:{version}-1", "FREEHOLD_LOG_LEVEL": "debug"},
            Settings((), HOME, {}, "", Platform("mirror/postgres:{version}-1"), "DEBUG"),
        ),
        (
            "installed under other names",
            {
                "FREEHOLD_HOME": "ops",
                "FREEHOLD_SERVICE_ACCOUNT": "mine",
                "FREEHOLD_SECRETS_ROLE": "mine-secrets",
                "FREEHOLD_IMAGE": "mirror/operator:1",
                "FREEHOLD_CANARIES": "canaries.ops.svc",
                "FREEHOLD_TRUST_DOMAIN": "shop.example",
                "FREEHOLD_POD": "mine-1",
                "FREEHOLD_POD_UID": "1",
            },
            Settings((), "ops", POD, "canaries.ops.svc", ELSEWHERE, "INFO"),
        ),
    ],
)
def test_settings(says: str, environment: dict[str, str], expected: Settings) -> None:
    assert from_environment(environment) == expected, says


def test_an_image_without_a_place_for_the_version_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must contain \{version\}"):
        from_environment({"FREEHOLD_POSTGRESQL_IMAGE": "postgres:15"})
