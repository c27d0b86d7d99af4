"""Latency budgets: contradictions are reported and block nothing, and service configs appear as files."""

from __future__ import annotations

import json

from tests.e2e.support.cluster import Object, Space, uids
from tests.e2e.support.microservices import idle, users
from tests.e2e.support.pod_exec import python, started

PATHS = "PathsWithinBudget"
SOON = 15
FILE = "/bindings/people/service-config"
REPEATED = {"GetUser", "ListUsers", "RegisterUser"}
"""The methods of users with an idempotency level in the contract."""
PROJECTED = 180
"""Seconds for the start of people, the reading of its contract, and the kubelet's update of the ConfigMap volume."""
# Polls until the file exists: the kubelet replaces a volume's content by a rename, which no watch of the file reports.
UNTIL_THERE = f"""
import pathlib, time
while not pathlib.Path({FILE!r}).exists():
    time.sleep(0.2)
print(pathlib.Path({FILE!r}).read_text())
"""
CALLS = f"""
import grpc, pathlib
from shop.users.v1 import users_pb2, users_pb2_grpc
config = pathlib.Path({FILE!r}).read_text()
with grpc.insecure_channel("dns:///people:50051", options=[("grpc.service_config", config)]) as channel:
    print(type(users_pb2_grpc.UsersServiceStub(channel).ListUsers(users_pb2.ListUsersRequest())).__name__)
"""


def test_budgets_too_small(yard: Space) -> None:
    """A latency budget shorter than the budget of a downstream service is reported and blocks nothing."""
    yard.apply(
        idle("storefront", latencyBudget="500ms", consumes=[{"name": "invoices"}]),
        idle("invoices", consumes=[{"name": "payments"}]),
        idle("payments", latencyBudget="400ms", consumes=[{"name": "users"}]),
        idle("users", latencyBudget="800ms"),
    )
    yard.until_ready("storefront", "invoices", "payments", "users")
    said = yard.until_condition("storefront", PATHS, "False", "BudgetTooSmall", within=SOON)
    assert said.startswith("storefront → invoices → payments → users: users may take 800ms, 300ms more than the 500ms")
    yard.until_event("storefront", "Warning", "BudgetTooSmall")
    assert yard.condition("storefront", "Ready")["status"] == "True"
    yard.until_condition("payments", PATHS, "False", "BudgetTooSmall", within=SOON)

    yard.spec("users", latencyBudget="200ms")
    assert "3 hops" in yard.until_condition("storefront", PATHS, "True", "WithinBudget", within=SOON)
    yard.until_condition("payments", PATHS, "True", "WithinBudget", within=SOON)


def test_budgets_cycle_and_hops(yard: Space) -> None:
    """Each service on a call cycle reports the cycle, and the first of five hops reports the number of hops."""
    chain = [idle(name, **_calling(below)) for name, below in zip("abcdef", [*"bcdef", None], strict=True)]
    yard.apply(*chain)
    assert "5 hops" in yard.until_condition("a", PATHS, "True", "TooManyHops", within=SOON)

    yard.spec("f", consumes=[{"name": "d"}])
    for name in "def":
        yard.until_condition(name, PATHS, "False", "CallCycle", within=SOON)
    assert yard.condition("d", PATHS)["message"].startswith("d → e → f → d is a cycle")
    assert yard.condition("a", PATHS)["status"] == "True"
    yard.until_ready(*"abcdef")
    yard.delete(*(f"microservice/{name}" for name in "abcdef"))


def _calling(below: str | None) -> Object:
    return {"consumes": [{"name": below}]} if below else {}


def test_budgets_config_in_running_pod(yard: Space) -> None:
    """The service config appears in a running pod once the provider's contract is known.

    The caller starts without the file, keeps its pod, and gRPC accepts the content.
    """
    yard.apply(users("caller", consumes=[{"name": "people", "latencyBudget": "2s"}]))
    yard.until_condition("caller", "EndpointReady", "True", within=180)
    (pod,) = yard.pods("caller")
    waiting = started(yard, "deployment/caller", UNTIL_THERE)

    yard.apply(users("people"))
    text, _ = waiting.communicate(timeout=PROJECTED)

    assert uids(yard.pods("caller")) == {pod["metadata"]["uid"]}
    config = json.loads(text)
    assert {name["method"] for name in config["methodConfig"][0]["name"]} == REPEATED
    assert {method["timeout"] for method in config["methodConfig"]} == {"2.000000000s"}
    yard.until_ready("people", "caller")
    assert python(yard, "deployment/caller", CALLS) == "ListUsersResponse"
