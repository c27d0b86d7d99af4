"""Calls between namespaces need both a declaration and the provider's consent, which is given and withdrawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.e2e.support.cluster import Space, uids
from tests.e2e.support.microservices import front_end
from tests.e2e.support.storefront_client import forwarded

WELCOME = "freehold.dev/e2e-welcome"
SELECTED = {"from": "Selector", "selector": {"matchLabels": {WELCOME: "yes"}}}
PROVIDERS = ("users", "payments")


@pytest.fixture
def branch(shop: Space, spaces: Callable[..., Space]) -> Iterator[Space]:
    """A namespace for another front end. The shop's consent is restored afterwards."""
    shop.cluster.kubectl("label", "namespace", shop.name, f"{WELCOME}=yes", "--overwrite")
    yield spaces("branch")
    for name in PROVIDERS:
        shop.spec(name, grpc={"consumers": None})
    shop.until_ready(*PROVIDERS)


def test_consent_opens_and_closes_calls(shop: Space, branch: Space) -> None:
    """Calls of a consumer in another namespace succeed while both providers consent, and only then."""
    branch.apply(front_end(of=shop.name))
    said = branch.until_condition("storefront", "DependenciesResolved", "False", "ConsumerNotAllowed", within=10)
    assert f"users in namespace {shop.name} admits no consumers from namespace {branch.name}" in said
    assert f"its owner can add {branch.name} under spec.grpc.consumers" in said
    branch.until_event("storefront", "Warning", "ConsumerNotAllowed")
    branch.until_condition("storefront", "EndpointReady", "True")
    providers = {name: uids(shop.pods(name)) for name in PROVIDERS}

    with forwarded(branch) as front:
        assert front.get("/api/users").status == 503

        for name in PROVIDERS:
            shop.spec(name, grpc={"consumers": SELECTED})
        branch.until_condition("storefront", "DependenciesResolved", "False", "ConsumerNotAllowed", within=10)
        assert front.get("/api/users").status == 503

        branch.cluster.kubectl("label", "namespace", branch.name, f"{WELCOME}=yes")
        branch.until_ready("storefront", within=15)
        front.until("/api/users", 200)
        front.purchase()

        branch.cluster.kubectl("label", "namespace", branch.name, f"{WELCOME}-")
        branch.until_condition("storefront", "DependenciesResolved", "False", "ConsumerNotAllowed", within=10)
        front.until("/api/users", 503, within=10)
        assert front.get("/api/payments").status == 503

    with forwarded(shop) as front:
        assert front.get("/api/users").status == 200
    assert providers == {name: uids(shop.pods(name)) for name in PROVIDERS}


def test_consent_without_declaration(shop: Space, branch: Space) -> None:
    """Consent alone opens nothing: a consumer of payments reaches payments and not users, although both admit all."""
    for name in PROVIDERS:
        shop.spec(name, grpc={"consumers": {"from": "All"}})
    idle = {"name": "users"}
    branch.apply(front_end(consumes=[{"name": "payments", "namespace": shop.name}, idle]))
    branch.until_condition("storefront", "EndpointReady", "True")

    with forwarded(branch) as front:
        front.until("/api/payments", 200)
        assert front.get("/api/users").status == 503
    admitted = shop.condition("users", "IsolationEnforced")["message"]
    assert branch.name not in admitted
