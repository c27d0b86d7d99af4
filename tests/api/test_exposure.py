"""Routes from a Gateway, in clusters with and without the Gateway API.

The tests write the route's status in place of the Gateway's controller.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from freehold.core.model.resources import Object
from freehold.kube.kinds import BY_NAME

from tests.api import operators
from tests.api.cluster import Cluster, until
from tests.api.operators import Operator
from tests.api.shop import microservice, no_more

GATEWAY = {"name": "public", "namespace": "gateways"}
GRPC: Object = {"port": 50051, "expose": {"gateway": GATEWAY, "hostnames": ["users.example.com"]}}
REFUSED = ("False", "NotAllowedByListeners", "no listener admits it")
TAKEN = ("True", "Accepted", "it is taken")
STARTING = "storage is (re)initializing"
"""The API server's words for requests right after the installation of a kind (429)."""


def answer(cluster: Cluster, home: str, accepted: tuple[str, str, str]) -> None:
    """Write the status of the present route."""
    live = cluster.get("GRPCRoute", home, "users")
    assert live
    common = {"observedGeneration": live["metadata"]["generation"], "lastTransitionTime": "2026-01-02T03:04:05Z"}
    status, reason, message = accepted
    conditions = [
        {"type": "Accepted", "status": status, "reason": reason, "message": message, **common},
        {"type": "ResolvedRefs", "status": "True", "reason": "ResolvedRefs", "message": "", **common},
    ]
    parent = {"parentRef": live["spec"]["parentRefs"][0], "controllerName": "example.com/c", "conditions": conditions}
    cluster.patch("GRPCRoute", home, "users", {"status": {"parents": [parent]}}, "status", fieldManager="controller")


def route(cluster: Cluster, home: str) -> Object | None:
    return cluster.get("GRPCRoute", home, "users")


def sources(cluster: Cluster, home: str) -> list[Object]:
    """Return the peers that the network policy admits."""
    live = cluster.get("NetworkPolicy", home, "users") or {"spec": {}}
    return [peer for rule in live["spec"].get("ingress", []) for peer in rule.get("from", [])]


# First, while the cluster has no Gateway API.
def test_exposure_gateway_api_installed(
    cluster: Cluster, operator: Operator, home: str, request: pytest.FixtureRequest
) -> None:
    """Without the Gateway API all else is reconciled, and the route follows the API's installation."""
    cluster.create(microservice(home, grpc=GRPC))
    said = cluster.says(home, "users", "Exposed", "GatewayApiMissing")
    assert said["status"] == "False" and "install the Gateway API (v1.1 or newer)" in said["message"]
    until(lambda: cluster.get("Deployment", home, "users"), "its pods are started all the same")
    assert sources(cluster, home)
    cluster.run(home)
    cluster.says(home, "users", "EndpointReady", "Available")

    request.getfixturevalue("gateway_api")

    cluster.says(home, "users", "Exposed", "WaitingForGateway")
    answer(cluster, home, TAKEN)
    assert cluster.ready(home)["status"] == "True"
    log = [line for line in operator.log.read_text().splitlines() if STARTING not in line]
    assert "grpcroutes" not in "".join(log).replace("write GRPCRoute", ""), "an absent kind is no matter for the log"


# The test before has deleted the definition, and so the route.
def test_exposure_gateway_api_removed(
    cluster: Cluster, operator: Operator, home: str, request: pytest.FixtureRequest
) -> None:
    """The removal of the Gateway API is reported, and the route is created again after its return."""
    assert operator.alive()
    cluster.create(microservice(home, grpc=GRPC))
    cluster.says(home, "users", "Exposed", "GatewayApiMissing")
    request.getfixturevalue("gateway_api")
    cluster.says(home, "users", "Exposed", "WaitingForGateway")
    definition = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/grpcroutes.gateway.networking.k8s.io"
    before = cluster.request("GET", definition)

    cluster.request("DELETE", definition)

    cluster.says(home, "users", "Exposed", "GatewayApiMissing")
    metadata = {"name": before["metadata"]["name"], "annotations": before["metadata"]["annotations"]}
    cluster.request(
        "POST",
        definition.rpartition("/")[0],
        {"apiVersion": before["apiVersion"], "kind": before["kind"], "metadata": metadata, "spec": before["spec"]},
    )
    cluster.says(home, "users", "Exposed", "WaitingForGateway")
    until(lambda: route(cluster, home), "the route is made anew")


@pytest.mark.usefixtures("operator", "gateway_api")
def test_exposure_refused_by_gateway(cluster: Cluster, home: str) -> None:
    """A refusal by the Gateway's controller is reported with a remedy until it is withdrawn."""
    cluster.create(microservice(home, grpc=GRPC))
    until(lambda: route(cluster, home), "there is a route")
    answer(cluster, home, REFUSED)
    said = cluster.says(home, "users", "Exposed", "NotAllowedByListeners")
    assert said["message"] == (
        "example.com/c refuses the route to Gateway gateways/public: NotAllowedByListeners: no listener admits it; "
        f"the owner of the Gateway must admit GRPCRoutes from namespace {home} under allowedRoutes of a listener"
    )
    cluster.run(home)
    assert cluster.says(home, "users", "EndpointReady", "Available"), "pods do not wait for it"
    assert cluster.says(home, "users", "Ready", "NotAllowedByListeners")["status"] == "False"

    answer(cluster, home, TAKEN)
    cluster.says(home, "users", "Exposed", "Routed")
    cluster.ready(home)


@pytest.mark.usefixtures("operator", "gateway_api")
def test_exposure_follows_field(cluster: Cluster, home: str) -> None:
    """The route follows spec.grpc.expose, and edits of the route are reverted."""
    cluster.create(microservice(home))
    cluster.ready(home)
    assert route(cluster, home) is None and sources(cluster, home) == []

    cluster.patch("Microservice", home, "users", {"spec": {"grpc": GRPC}})
    made = until(lambda: route(cluster, home), "the route comes with the field")
    assert made["metadata"]["ownerReferences"][0]["name"] == "users", "and goes with the resource"
    (proxies,) = sources(cluster, home)
    assert proxies["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "gateways"}

    rule = {"backendRefs": [{"name": "evil", "port": 1}]}
    for edit in ({"hostnames": ["evil.example.com"]}, {"rules": [rule]}, {"parentRefs": None}, {"hostnames": None}):
        cluster.patch("GRPCRoute", home, "users", {"spec": edit}, fieldManager="somebody")
        until(lambda: (route(cluster, home) or {})["spec"] == made["spec"], lambda e=edit: f"{e} is undone")
    cluster.delete("GRPCRoute", home, "users")
    again = until(lambda: route(cluster, home), "it comes back")
    assert again["spec"] == made["spec"]

    elsewhere = {"namespace": "envoy", "podLabels": {"app": "envoy"}}
    names = ["*.example.com", "users.example.org"]
    change = {"hostnames": names, "proxies": elsewhere, "gateway": {"sectionName": "grpc"}}
    cluster.patch("Microservice", home, "users", {"spec": {"grpc": {"expose": change}}})
    until(lambda: (route(cluster, home) or {})["spec"]["hostnames"] == names, "it follows the field")
    assert (route(cluster, home) or {})["spec"]["parentRefs"][0]["sectionName"] == "grpc"
    (proxies,) = sources(cluster, home)
    assert proxies["podSelector"]["matchLabels"] == {"app": "envoy"}

    cluster.patch("Microservice", home, "users", {"spec": {"grpc": {"expose": None}}})
    until(lambda: route(cluster, home) is None, "it goes with the field")
    until(lambda: sources(cluster, home) == [], "and so does the way in")
    cluster.ready(home)
    assert "Exposed" not in cluster.conditions(home, "users")


@pytest.mark.usefixtures("operator", "gateway_api")
def test_exposure_route_refused_by_cluster(cluster: Cluster, home: str) -> None:
    """A route that the API server refuses blocks no other object.

    The cause is a quota in this test; an admission rule of the Gateway is another.
    """
    no_more(cluster, home, "count/grpcroutes.gateway.networking.k8s.io", 0)
    consumed = microservice(home, grpc=GRPC, consumes=[{"name": "payments"}])
    cluster.create(consumed)
    said = cluster.says(home, "users", "Ready", "ClusterRefused")
    assert "exceeded quota" in said["message"]
    assert {"Deployment users", "NetworkPolicy users"} <= cluster.owned(home).keys()

    cluster.patch("Microservice", home, "users", {"spec": {"consumes": []}})
    until(lambda: "ConfigMap users-consumes" not in cluster.owned(home), "what is not wanted any more is removed")
    assert route(cluster, home) is None


@pytest.mark.usefixtures("gateway_api")
def test_exposure_removed_while_down(cluster: Cluster, home: str, tmp_path: Path) -> None:
    """An operator deletes at its start the route that was given up while none ran."""
    cluster.create(microservice(home, grpc=GRPC))
    with operators.running(cluster.kubeconfig, tmp_path / "log", home):
        until(lambda: route(cluster, home), "there is a route")
    cluster.patch("Microservice", home, "users", {"spec": {"grpc": {"expose": None}}})
    with operators.running(cluster.kubeconfig, tmp_path / "log", home):
        until(lambda: route(cluster, home) is None, "it is taken away")


def test_exposure_only_optional_kind() -> None:
    """GRPCRoute is the only optional kind."""
    assert {name for name, kind in BY_NAME.items() if kind.optional} == {"GRPCRoute"}
