"""The route from a Gateway, and what is said of what became of it."""

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
    return {"port": 50051, "expose": {"gateway": gateway, "hostnames": [NAME], **expose}}


SUBJECT = service(grpc=exposed())


def condition(kind: str, status: str, reason: str = "Because", **more: Any) -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": "", **more}


ACCEPTED, RESOLVED = condition("Accepted", "True"), condition("ResolvedRefs", "True")


def route(*conditions: Object, parent: Object = PUBLIC, generation: int = 1) -> Object:
    answer = {"parentRef": parent, "controllerName": "example.com/gateways", "conditions": list(conditions)}
    metadata = {"name": "users", "namespace": "shop", "labels": {}, "generation": generation}
    return {"kind": "GRPCRoute", "metadata": metadata, "status": {"parents": [answer]}}


def judged(*objects: Object, subject: Any = SUBJECT) -> tuple[State, Reason, str]:
    said = exposure.plan(Case(subject, observed(objects))).condition
    assert said and said.type is Type.EXPOSED
    return said.state, said.reason, said.message


def test_without_the_field_there_is_no_route_and_no_condition() -> None:
    for subject in (service(), service(grpc=None, http={})):
        plan = exposure.plan(Case(subject, observed()))
        assert not plan.objects and plan.condition is None


def test_a_cluster_without_the_gateway_api_is_said_and_all_else_is_planned() -> None:
    seen = observed(gateway_api=False)
    plans = reconcile(SUBJECT, seen)
    made = objects_of(plans)
    assert ROUTE not in made and made.keys() == objects_of(reconcile(SUBJECT, observed())).keys() - {ROUTE}
    ready, *others = report(Case(SUBJECT, seen), plans).status["conditions"]
    said = next(c for c in others if c["type"] == "Exposed")
    assert (said["status"], said["reason"], ready["reason"]) == ("False", "GatewayApiMissing", "GatewayApiMissing")
    assert "install the Gateway API (v1.1 or newer)" in said["message"]


@pytest.mark.parametrize(
    ("says", "objects"),
    [
        ("there is no route yet", ()),
        ("nobody answered", ({**route(), "status": {}},)),
        ("another Gateway answered", (route(ACCEPTED, RESOLVED, parent={"name": "public"}),)),
        ("another listener answered", (route(ACCEPTED, RESOLVED, parent={**PUBLIC, "sectionName": "grpc"}),)),
        ("half an answer", (route(ACCEPTED),)),
        ("an answer that is none", (route(condition("Accepted", "Unknown"), RESOLVED),)),
        (
            "an answer about what was before",
            (route(condition("Accepted", "False", observedGeneration=1), RESOLVED, generation=2),),
        ),
    ],
)
def test_while_nobody_has_answered_it_is_under_way(says: str, objects: tuple[Object, ...]) -> None:
    state, reason, message = judged(*objects)
    assert (state, reason) == (State.UNKNOWN, Reason.WAITING_FOR_GATEWAY), says
    assert "gateways/public" in message


def test_it_is_true_once_the_controller_took_it() -> None:
    same = judged(route(ACCEPTED, RESOLVED))
    assert same == (State.TRUE, Reason.ROUTED, f"example.com/gateways routes {NAME} through Gateway gateways/public")
    here = service(grpc=exposed({"name": "public"}))
    assert judged(route(ACCEPTED, RESOLVED, parent={"name": "public", "namespace": "shop"}), subject=here)[0] == "True"


@pytest.mark.parametrize(
    ("given", "reason", "way_out"),
    [
        ("NotAllowedByListeners", Reason.NOT_ALLOWED_BY_LISTENERS, "admit GRPCRoutes from namespace shop"),
        ("NoMatchingListenerHostname", Reason.NO_MATCHING_LISTENER_HOSTNAME, f"a listener for {NAME}"),
        ("NoMatchingParent", Reason.NO_MATCHING_PARENT, "correct spec.grpc.expose.gateway"),
        ("SomethingOfItsOwn", Reason.ROUTE_REFUSED, "SomethingOfItsOwn: why"),
        ("Ready", Reason.ROUTE_REFUSED, "Ready: why"),
    ],
)
@pytest.mark.parametrize("kind", ["Accepted", "ResolvedRefs"])
def test_a_refusal_has_the_controllers_words_and_a_way_out(kind: str, given: str, reason: Reason, way_out: str) -> None:
    others = [one for one in (ACCEPTED, RESOLVED) if one["type"] != kind]
    state, said, message = judged(route(*others, condition(kind, "False", given) | {"message": "why"}))
    assert (state, said) == (State.FALSE, reason)
    assert f"example.com/gateways refuses the route to Gateway gateways/public: {given}: why" in message
    assert way_out in message


def test_the_route_leads_to_the_service_and_is_removed_with_it() -> None:
    (made,) = exposure.plan(Case(service(grpc=exposed({**PUBLIC, "sectionName": "tls"})), observed())).objects
    assert made["spec"] == {
        "parentRefs": [{"name": "public", "namespace": "gateways", "sectionName": "tls"}],
        "hostnames": [NAME],
        "rules": [{"backendRefs": [{"name": "users", "port": 50051}]}],
    }
    assert made["metadata"]["ownerReferences"][0]["uid"] == "uid-of-users"


def test_proxies_are_where_the_gateway_is_unless_it_is_said_where() -> None:
    usual = gateways.proxies(SUBJECT)
    label = ("gateway.networking.k8s.io/gateway-name", "public")
    assert usual == gateways.Proxies(Key("gateways", "public"), "gateways", (label,))
    envoy = exposed(proxies={"namespace": "envoy-gateway-system", "podLabels": {"b": "2", "a": "1"}})
    elsewhere = gateways.proxies(service(grpc=envoy))
    assert elsewhere == gateways.Proxies(Key("gateways", "public"), "envoy-gateway-system", (("a", "1"), ("b", "2")))
