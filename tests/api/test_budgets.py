"""Latency budgets: a change is reported by services several hops above, at once, and by affected services alone."""

from __future__ import annotations

import pytest

from tests.api.cluster import Cluster, Refused, until
from tests.api.shop import microservice

pytestmark = pytest.mark.usefixtures("operator")
PATHS = "PathsWithinBudget"


def calls(namespace: str, name: str, *providers: str, **spec: object) -> dict[str, object]:
    return microservice(namespace, name, replicas=0, consumes=[{"name": one} for one in providers], **spec)


def test_budgets_two_hops_below(cluster: Cluster, home: str) -> None:
    """A budget that is too long two hops below is reported by the caller at the top and blocks nothing."""
    cluster.create(calls(home, "storefront", "invoices", latencyBudget="500ms"))
    cluster.create(calls(home, "invoices", "payments"))
    cluster.create(calls(home, "payments"))
    cluster.says(home, "storefront", PATHS, "WithinBudget")
    cluster.ready(home, "storefront")

    cluster.patch("Microservice", home, "payments", {"spec": {"latencyBudget": "800ms"}})

    said = cluster.says(home, "storefront", PATHS, "BudgetTooSmall")
    assert said["status"] == "False"
    assert said["message"].startswith("storefront → invoices → payments: payments may take 800ms, 300ms more than")
    assert cluster.conditions(home, "storefront")["Ready"]["status"] == "True"
    assert cluster.conditions(home, "invoices")[PATHS]["status"] == "True"

    cluster.patch("Microservice", home, "payments", {"spec": {"latencyBudget": "400ms"}})
    cluster.says(home, "storefront", PATHS, "WithinBudget")


def test_budgets_cycle(cluster: Cluster, home: str) -> None:
    """A dependency that closes a call cycle is reported by every service on the cycle."""
    cluster.create(calls(home, "a", "b"))
    cluster.create(calls(home, "b", "c"))
    cluster.create(calls(home, "c"))
    cluster.says(home, "a", PATHS, "NoneDeclared")

    cluster.patch("Microservice", home, "c", {"spec": {"consumes": [{"name": "a"}]}})
    for name, path in (("a", "a → b → c → a"), ("b", "b → c → a → b"), ("c", "c → a → b → c")):
        assert cluster.says(home, name, PATHS, "CallCycle")["message"].startswith(f"{path} is a cycle")

    cluster.delete("Microservice", home, "b")
    cluster.says(home, "c", PATHS, "NoneDeclared")
    cluster.says(home, "a", PATHS, "NoneDeclared")


def test_budgets_five_hops(cluster: Cluster, home: str) -> None:
    """A path of five hops is reported by the first service alone."""
    for name, below in zip("abcdef", [*"bcdef", None], strict=True):
        cluster.create(calls(home, name, *([below] if below else [])))
    assert "5 hops" in cluster.says(home, "a", PATHS, "TooManyHops")["message"]
    assert cluster.says(home, "b", PATHS, "NoneDeclared")["status"] == "True"


def test_budgets_config_without_rollout(cluster: Cluster, home: str) -> None:
    """A new budget of a provider changes its consumers' service configs without a rollout."""
    cluster.create(calls(home, "payments", grpc={"contract": "None"}))
    cluster.create(calls(home, "invoices", "payments"))
    before = until(lambda: cluster.get("Deployment", home, "invoices"), "invoices has a Deployment")

    cluster.patch("Microservice", home, "payments", {"spec": {"latencyBudget": "250ms"}})

    def told() -> bool:
        live = cluster.get("ConfigMap", home, "invoices-consumes") or {}
        return '"timeout":"0.250000000s"' in live.get("data", {}).get("payments.service-config", "")

    until(told, "invoices is told what a call of payments takes")
    after = cluster.get("Deployment", home, "invoices")
    assert after is not None and after["spec"] == before["spec"]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"latencyBudget": "0ms"}, "spec.latencyBudget"),
        ({"latencyBudget": "soon"}, "spec.latencyBudget"),
        (
            {"consumes": [{"name": "users", "latencyBudget": "1s", "hedgeAfter": "1000ms"}]},
            "hedgeAfter 1000ms is not shorter than latencyBudget 1s; lower hedgeAfter, or raise latencyBudget",
        ),
    ],
)
def test_budgets_refused(cluster: Cluster, home: str, spec: dict[str, object], words: str) -> None:
    """The API server refuses invalid budgets."""
    with pytest.raises(Refused, match=words):
        cluster.create(microservice(home, "payments", **spec), dryRun="All")
