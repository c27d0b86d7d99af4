"""The route from a Gateway, and condition Exposed."""

from __future__ import annotations

from typing import Any

import pytest
from freehold.core import exposure
from freehold.core.model.case import Case
from freehold.core.model.conditions import Reason, State, Type
from freehold.core.model.resources import Key, Object, Ref
from freehold.core.peers import gateways
from freehold.core.reconcile import report

from tests.unit.core.worlds import objects_of, observed, reconcile, service

PUBLIC: Object = {"name": "public", "namespace": "gateways"}
NAME = "users.example.com"
ROUTE = Ref("GRPCRoute", "users")


def exposed(gateway: Object = PUBLIC, **expose: Any) -> Object:
    """A spec.grpc with a route from a Gateway."""
    return {"port": 50051, "expose": {"gateway": gateway, "hostnames": [NAME], **expose}}


SUBJECT = service(grpc=exposed())


def condition(kind: str, status: str, reason: str = "Because", **more: Any) -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": "", **more}


ACCEPTED, RESOLVED = condition("Accepted", "True"), condition("ResolvedRefs", "True")


def route(*conditions: Object, parent: Object = PUBLIC, generation: int = 1) -> Object:
    """A live route with the conditions of a controller."""
    answer = {"parentRef": parent, "controllerName": "example.com/gateways", "conditions": list(conditions)}
    metadata = {"name": "users", "namespace": "shop", "labels": {}, "generation": generation}
    return {"kind": "GRPCRoute", "metadata": metadata, "status": {"parents": [answer]}}


def state_of(*objects: Object, subject: Any = SUBJECT) -> tuple[State, Reason, str]:
    """State, reason and message of condition Exposed."""
    found = exposure.plan(Case(subject, observed(objects))).condition
    assert found and found.type is Type.EXPOSED
    return found.state, found.reason, found.message


def test_no_route_without_expose() -> None:
    """Without spec.grpc.expose there is no route and no condition."""
    for subject in (service(), service(grpc=None, http={})):
        plan = exposure.plan(Case(subject, observed()))
        assert not plan.objects and plan.condition is None


def test_gateway_api_missing() -> None:
    """Without the Gateway API the condition is False, and all other objects are planned."""
    seen = observed(gateway_api=False)
    plans = reconcile(SUBJECT, seen)
    made = objects_of(plans)
    assert ROUTE not in made and made.keys() == objects_of(reconcile(SUBJECT, observed())).keys() - {ROUTE}
    ready, *others = report(Case(SUBJECT, seen), plans).status["conditions"]
    found = next(c for c in others if c["type"] == "Exposed")
    assert (found["status"], found["reason"], ready["reason"]) == ("False", "GatewayApiMissing", "GatewayApiMissing")
    assert "install the Gateway API (v1.1 or newer)" in found["message"]


@pytest.mark.parametrize(
    ("title", "objects"),
    [
        ("no route yet", ()),
        ("no answer", ({**route(), "status": {}},)),
        ("an answer for another Gateway", (route(ACCEPTED, RESOLVED, parent={"name": "public"}),)),
        ("an answer for another listener", (route(ACCEPTED, RESOLVED, parent={**PUBLIC, "sectionName": "grpc"}),)),
        ("a partial answer", (route(ACCEPTED),)),
        ("an unknown answer", (route(condition("Accepted", "Unknown"), RESOLVED),)),
        (
            "an answer for an old generation",
            (route(condition("Accepted", "False", observedGeneration=1), RESOLVED, generation=2),),
        ),
    ],
)
def test_waiting_for_gateway(title: str, objects: tuple[Object, ...]) -> None:
    """Without a current answer of the controller the condition is Unknown."""
    state, reason, message = state_of(*objects)
    assert (state, reason) == (State.UNKNOWN, Reason.WAITING_FOR_GATEWAY), title
    assert "gateways/public" in message


def test_routed() -> None:
    """The condition is True once the controller has accepted the route."""
    found = state_of(route(ACCEPTED, RESOLVED))
    assert found == (State.TRUE, Reason.ROUTED, f"example.com/gateways routes {NAME} through Gateway gateways/public")
    local = service(grpc=exposed({"name": "public"}))
    assert (
        state_of(route(ACCEPTED, RESOLVED, parent={"name": "public", "namespace": "shop"}), subject=local)[0] == "True"
    )


@pytest.mark.parametrize(
    ("api_reason", "reason", "action"),
    [
        ("NotAllowedByListeners", Reason.NOT_ALLOWED_BY_LISTENERS, "admit GRPCRoutes from namespace shop"),
        ("NoMatchingListenerHostname", Reason.NO_MATCHING_LISTENER_HOSTNAME, f"a listener for {NAME}"),
        ("NoMatchingParent", Reason.NO_MATCHING_PARENT, "correct spec.grpc.expose.gateway"),
        ("SomethingOfItsOwn", Reason.ROUTE_REFUSED, "SomethingOfItsOwn: why"),
        ("Ready", Reason.ROUTE_REFUSED, "Ready: why"),
    ],
)
@pytest.mark.parametrize("kind", ["Accepted", "ResolvedRefs"])
def test_refusal_has_cause_and_action(kind: str, api_reason: str, reason: Reason, action: str) -> None:
    """A refusal repeats the controller's message and names the action."""
    others = [other for other in (ACCEPTED, RESOLVED) if other["type"] != kind]
    state, found, message = state_of(route(*others, condition(kind, "False", api_reason) | {"message": "why"}))
    assert (state, found) == (State.FALSE, reason)
    assert f"example.com/gateways refuses the route to Gateway gateways/public: {api_reason}: why" in message
    assert action in message


def test_route_points_to_the_service() -> None:
    """The route points to the Service, and is owned by the Microservice."""
    (made,) = exposure.plan(Case(service(grpc=exposed({**PUBLIC, "sectionName": "tls"})), observed())).objects
    assert made["spec"] == {
        "parentRefs": [{"name": "public", "namespace": "gateways", "sectionName": "tls"}],
        "hostnames": [NAME],
        "rules": [{"backendRefs": [{"name": "users", "port": 50051}]}],
    }
    assert made["metadata"]["ownerReferences"][0]["uid"] == "uid-of-users"


def test_proxies_default_to_the_gateway() -> None:
    """The proxies are those of the Gateway, unless declared otherwise."""
    usual = gateways.proxies(SUBJECT)
    label = ("gateway.networking.k8s.io/gateway-name", "public")
    assert usual == gateways.Proxies(Key("gateways", "public"), "gateways", (label,))
    envoy = exposed(proxies={"namespace": "envoy-gateway-system", "podLabels": {"b": "2", "a": "1"}})
    elsewhere = gateways.proxies(service(grpc=envoy))
    assert elsewhere == gateways.Proxies(Key("gateways", "public"), "envoy-gateway-system", (("a", "1"), ("b", "2")))
