"""Exposure outside the cluster: only the proxies of a Gateway reach an exposed service.

No Gateway runs here. The story writes the route's status in place of the Gateway's controller, and starts pods with the
labels that the Gateway API defines for proxies; calls from those pods are real.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from localcluster import tools
from tests.e2e.support.cluster import Object, Space, uids
from tests.e2e.support.connection_attempts import Target, reached, stranger
from tests.e2e.support.microservices import IMAGES, users
from tests.e2e.support.pod_exec import python

GATEWAY, NAME = "public", "users.example.com"
LABEL = {"gateway.networking.k8s.io/gateway-name": GATEWAY}
DEFINITION = "crd/grpcroutes.gateway.networking.k8s.io"
WAIT = ["/opt/users/bin/python", "-c", "import signal; signal.pause()"]
NOTICED = 30
"""Seconds; the operator detects within ten that the cluster serves routes."""
OPEN, SHUT = "OK", "DEADLINE_EXCEEDED"
CALL = """
import grpc, json, sys, time
given = json.load(sys.stdin)
deadline = time.monotonic() + 20
while True:
    with grpc.insecure_channel(given["target"]) as channel:
        try:
            channel.unary_unary("/shop.users.v1.UsersService/ListUsers")(b"", timeout=3, wait_for_ready=True)
            code = "OK"
        except grpc.RpcError as error:
            code = error.code().name
    if code == given["until"] or time.monotonic() > deadline:
        break
print(code)
"""
"""A program that calls until the status code is the expected one, and prints the last code."""


@pytest.fixture
def gateways(spaces: Callable[..., Space]) -> Space:
    """The Gateway's namespace with a proxy of the Gateway, another proxy, and an unrelated pod."""
    space = spaces("gateways")
    _place(space, proxy=LABEL, envoy={"app": "envoy"}, unrelated={"app": "unrelated"})
    return space


@pytest.fixture
def taken_away(yard: Space) -> Iterator[None]:
    """Delete the definition of routes afterwards."""
    yield
    yard.cluster.kubectl("delete", DEFINITION, "--ignore-not-found", "--timeout=60s")


@pytest.mark.usefixtures("taken_away")
def test_expose_admits_gateway_proxies(yard: Space, gateways: Space) -> None:
    """Only the proxies of the named Gateway reach an exposed service, and the route follows spec.grpc.expose."""
    gateway = {"name": GATEWAY, "namespace": gateways.name}
    yard.apply(users(grpc={"expose": {"gateway": gateway, "hostnames": [NAME]}}))
    _place(yard, lookalike=LABEL)
    said = yard.until_condition("users", "Exposed", "False", "GatewayApiMissing")
    assert "install the Gateway API" in said
    yard.until_event("users", "Warning", "GatewayApiMissing")
    yard.until_condition("users", "EndpointReady", "True", within=240)
    pods = uids(yard.pods("users"))

    yard.cluster.kubectl("apply", "--server-side", "-f", str(tools.gateway_api("grpcroutes")))
    _check_conditions(yard, gateways)
    _check_admitted(yard, gateways)

    elsewhere = {"namespace": gateways.name, "podLabels": {"app": "envoy"}}
    yard.spec("users", grpc={"expose": {"proxies": elsewhere}})
    assert _call(yard, gateways, "envoy", OPEN) == OPEN
    assert _call(yard, gateways, "proxy", SHUT) == SHUT
    yard.until_ready("users")
    _check_route_restored(yard)

    yard.spec("users", grpc={"expose": None})
    yard.gone("grpcroute/users")
    assert _call(yard, gateways, "envoy", SHUT) == SHUT
    yard.until_ready("users")
    assert not yard.condition("users", "Exposed")
    assert uids(yard.pods("users")) == pods, "nothing of this started a pod anew"

    yard.spec("users", grpc={"expose": {"gateway": gateway, "hostnames": [NAME]}})
    yard.until("grpcroute/users", _leads_to_the_service)
    yard.delete("microservice/users")
    yard.gone("grpcroute/users")


def _check_conditions(yard: Space, gateways: Space) -> None:
    """Condition Exposed follows the route's status."""
    said = yard.until_condition("users", "Exposed", "Unknown", "WaitingForGateway", within=NOTICED)
    assert f"kubectl get gateway {GATEWAY} --namespace {gateways.name}" in said
    _answer(yard, "False", "NotAllowedByListeners")
    said = yard.until_condition("users", "Exposed", "False", "NotAllowedByListeners")
    assert f"admit GRPCRoutes from namespace {yard.name} under allowedRoutes" in said
    _answer(yard, "True", "Accepted")
    yard.until_condition("users", "Exposed", "True", "Routed")
    yard.until_ready("users")


def _check_admitted(yard: Space, gateways: Space) -> None:
    """Only the Gateway's proxy reaches the endpoint, and no proxy reaches the database."""
    assert _call(yard, gateways, "proxy", OPEN) == OPEN
    assert _call(yard, gateways, "unrelated", SHUT) == SHUT
    assert _call(yard, yard, "lookalike", SHUT) == SHUT, "a proxy is where its Gateway is"
    (pod,) = yard.pods("users")
    (server,) = yard.pods("users", "database")
    targets = [Target("endpoint", pod["status"]["podIP"], 50051), Target("data", server["status"]["podIP"], 5432)]
    assert {target.name for target in reached(gateways, "proxy", targets)} == {"endpoint"}


def _check_route_restored(yard: Space) -> None:
    """An edit of the route is reverted, and a deleted route is created again."""
    yard.patch("grpcroute/users", {"spec": {"hostnames": ["evil.example.com"]}})
    yard.until("grpcroute/users", _leads_to_the_service)
    made = yard.get("grpcroute/users")["metadata"]["uid"]
    yard.delete("grpcroute/users")
    again = yard.until("grpcroute/users", _leads_to_the_service)
    assert again["metadata"]["uid"] != made


def _place(space: Space, **pods: dict[str, str]) -> None:
    """Start pods with these names and labels."""
    space.apply(*(stranger(name, IMAGES["users"], labels, WAIT) for name, labels in pods.items()))
    space.kubectl("wait", *(f"pod/{name}" for name in pods), "--for=condition=Ready", "--timeout=60s")


def _call(yard: Space, space: Space, pod: str, until: str) -> str:
    """Return the status code of a call of users from a pod. until: the code to wait for."""
    given = {"target": f"dns:///users.{yard.name}.svc:50051", "until": until}
    return python(space, f"pod/{pod}", CALL, text=json.dumps(given))


def _answer(yard: Space, status: str, reason: str) -> None:
    """Write the status of the present route in place of the Gateway's controller."""
    live = yard.until("grpcroute/users", _leads_to_the_service)
    common = {"observedGeneration": live["metadata"]["generation"], "lastTransitionTime": "2026-01-02T03:04:05Z"}
    conditions = [
        {"type": "Accepted", "status": status, "reason": reason, "message": "", **common},
        {"type": "ResolvedRefs", "status": "True", "reason": "ResolvedRefs", "message": "", **common},
    ]
    answer = {"controllerName": "example.com/controller", "conditions": conditions}
    parents = [{"parentRef": live["spec"]["parentRefs"][0], **answer}]
    said = json.dumps({"status": {"parents": parents}})
    yard.kubectl("patch", "grpcroute/users", "--subresource=status", "--type=merge", "-p", said)


def _leads_to_the_service(live: Object) -> bool:
    """a route to the service under its name"""
    rules = live["spec"].get("rules", [{}])
    backend = rules[0].get("backendRefs", [{}])[0]
    return live["spec"].get("hostnames") == [NAME] and (backend.get("name"), backend.get("port")) == ("users", 50051)
