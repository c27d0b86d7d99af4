"""A service goes to another namespace: its name turns once, to one that can take its calls, and back the same way."""

from __future__ import annotations

from dataclasses import replace

import pytest
from freehold.core import certificates, handover
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.resources import Key, Object, Observed, Peer, Plan, Ref, Service
from freehold.core.peers import aliases, consent

from tests.unit.core.worlds import GRPC, IMAGE, objects_of, observed, peer, peers, reconcile, service

HERE, THERE, PAYMENTS = Key("shop", "users"), Key("people", "users"), Key("shop", "payments")
GOES, STAYS = service(placement={"namespace": "people"}), service()
COMES = service(namespace="people", placement={"from": "shop"})
READY = replace(peer("users", "people"), replaces="shop")
POD: Object = {"spec": {"containers": [{"name": "service", "image": IMAGE}]}}
SPEC: Object = {"replicas": 1, "template": POD}
DEPLOYMENT = {"kind": "Deployment", "metadata": {"name": "users", "generation": 1}, "spec": SPEC}
SERVES = {**DEPLOYMENT, "status": {"availableReplicas": 1, "replicas": 1, "updatedReplicas": 1}}
ALIAS = {"kind": "Service", "spec": {"type": "ExternalName", "externalName": "users.people.svc.cluster.local"}}
LEADS = {**ALIAS, "metadata": {"name": "users"}}


def seen(other: Peer | None, *objects: Object, agreed: bool = True, status: Object | None = None) -> Observed:
    consumer = peer("payments", "shop", HERE)
    known = peers(consumer, other) if other else peers(consumer)
    forwarded = {HERE: THERE} if agreed else {}
    return observed(objects, peers=known, aliases=forwarded, status=status or {})


def judged(subject: Service, world: Observed) -> tuple[str, bool, Condition | None]:
    """What its name leads to, whether its pods are wanted, and what is said of that."""
    plans = reconcile(subject, world)
    wanted = objects_of(plans)
    spec, deployment = (wanted[Ref(kind, "users")]["spec"] for kind in ("Service", "Deployment"))
    said = (plan.condition for plan in plans if plan.condition and plan.condition.type is Type.RELOCATED)
    return spec.get("externalName", ""), bool(deployment["replicas"]), next(said, None)


@pytest.mark.parametrize(
    ("says", "other", "agreed", "reason", "message"),
    [
        ("nobody is there", None, False, Reason.MOVE_BLOCKED, "there is no Microservice users in namespace people"),
        ("it does not agree", READY, False, Reason.MOVE_BLOCKED, "people/users does not take it over"),
        (
            "it listens elsewhere",
            replace(peer("users", "people", grpc={"port": 6000}), replaces="shop"),
            True,
            Reason.MOVE_BLOCKED,
            "are not the same as here",
        ),
        ("it is not ready", replace(READY, ready=False), True, Reason.MOVING_PODS, "pods start in namespace people"),
        ("its walls do not stand yet", replace(READY, replaces=""), True, Reason.MOVING_PODS, "pods start in"),
    ],
)
def test_the_name_stays_while(says: str, other: Peer | None, agreed: bool, reason: Reason, message: str) -> None:
    leads, pods, said = judged(GOES, seen(other, SERVES, agreed=agreed))
    assert (leads, pods) == ("", True), says
    assert said
    assert said.reason is reason
    assert message in said.message
    assert said.state is (State.FALSE if reason is Reason.MOVE_BLOCKED else State.UNKNOWN)


def test_the_name_turns_before_the_pods_end() -> None:
    assert judged(GOES, seen(READY, SERVES))[:2] == ("users.people.svc.cluster.local", True)
    leads, pods, said = judged(GOES, seen(READY, SERVES, LEADS))
    assert (leads, pods) == ("users.people.svc.cluster.local", False)
    assert said == Condition(
        Type.RELOCATED,
        State.TRUE,
        Reason.RELOCATED,
        "users.shop.svc leads to people/users; who consumes it by that name: shop/payments",
    )


def test_once_turned_it_stays_so_whatever_befalls_the_other() -> None:
    world = seen(replace(READY, ready=False), LEADS)
    assert judged(GOES, world)[:2] == ("users.people.svc.cluster.local", False)
    endpoint = next(p.condition for p in reconcile(GOES, world) if p.condition and p.condition.type == "EndpointReady")
    assert (endpoint.state, endpoint.reason) == (State.UNKNOWN, Reason.REDIRECTED)


@pytest.mark.parametrize(
    ("subject", "world"),
    [
        (STAYS, seen(READY, LEADS)),
        (STAYS, seen(READY, LEADS, DEPLOYMENT)),
        (GOES, seen(None, LEADS, agreed=False)),
        (GOES, seen(READY, LEADS, DEPLOYMENT, agreed=False)),
    ],
    ids=["taken back", "its pods start", "the other is gone", "the other says no"],
)
def test_it_turns_back_only_to_pods_that_serve(subject: Service, world: Observed) -> None:
    assert judged(subject, world)[:2] == ("users.people.svc.cluster.local", True)
    back = replace(world, objects={**world.objects, Ref("Deployment", "users"): SERVES})
    assert judged(subject, back)[:2] == ("", True)


def test_one_that_is_scaled_to_none_turns_back_at_once() -> None:
    assert judged(service(replicas=0), seen(READY, LEADS))[0] == ""


def test_a_move_that_was_taken_back_is_told_and_a_service_that_never_moved_is_told_nothing_of() -> None:
    moved = {"move": {"from": {"namespace": "shop"}, "to": {"namespace": "people"}, "step": "Relocated"}}
    said = judged(STAYS, seen(READY, SERVES, status=moved))[2]
    assert said
    assert (said.reason, said.message) == (Reason.AT_DESTINATION, "stands in namespace shop")
    assert judged(STAYS, seen(READY, SERVES))[2] is None


def test_the_way_there_closes_once_nobody_can_have_been_told_of_it() -> None:
    def plan_of(world: Observed) -> Plan:
        return next(plan for plan in reconcile(STAYS, world) if plan.capability == handover.CAPABILITY)

    moved: Object = {"to": {"namespace": "people"}, "step": "MovingPods"}
    turned = seen(READY, SERVES, status={"move": moved, "endpointTarget": "people"})
    for _ in range(2):
        plan = plan_of(turned)
        assert plan.condition
        assert (plan.condition.state, plan.condition.reason) == (State.UNKNOWN, Reason.REDIRECTING_ENDPOINT)
        assert plan.again == handover.DNS_TTL.total_seconds()
        turned = replace(turned, status=plan.shown)
    plan = plan_of(replace(turned, now=turned.now + handover.DNS_TTL))
    assert plan.condition
    assert plan.condition.reason is Reason.AT_DESTINATION
    assert "previousTarget" not in plan.shown


def test_its_own_namespace_is_no_move() -> None:
    assert aliases.destination(service(placement={"namespace": "shop"})) is None


def test_who_takes_over_says_whom_or_why_not() -> None:
    former = peer("users", "shop")
    said = judged(COMES, observed(peers=peers(former), aliases={HERE: THERE}))[2]
    assert said
    assert (said.state, said.reason) == (State.TRUE, Reason.RELOCATED)
    refused = judged(COMES, observed(peers=peers(former)))[2]
    assert refused
    assert (refused.state, refused.reason) == (State.UNKNOWN, Reason.WAITING_FOR_CONSENT)
    assert judged(COMES, observed())[2] is None, "the other is gone, and it is a service like any other"


def test_whom_the_other_admits_is_admitted_here_and_nobody_else() -> None:
    stranger, own = peer("stranger", "bank", HERE), peer("desk", "people", THERE)
    world = observed(peers=peers(peer("users", "shop"), peer("payments", "shop", HERE), stranger, own))
    assert consent.consumers(Case(COMES, world)) == [own.key]
    assert consent.consumers(Case(COMES, replace(world, aliases={HERE: THERE}))) == [own.key, PAYMENTS]


def test_who_admits_the_other_admits_the_one_that_takes_over() -> None:
    ledger = Key("shop", "ledger")
    moved = service(namespace="people", placement={"from": "shop"}, consumes=[{"name": "ledger", "namespace": "shop"}])
    (consumed,) = moved.spec.consumes
    for named, admitted in (((ledger,), True), ((), False)):
        world = observed(peers=peers(peer("ledger"), peer("users", "shop", *named)), aliases={HERE: THERE})
        assert (consent.refusal(Case(moved, world), consumed) is None) is admitted
    provider = service("ledger")
    known = peers(peer("users", "shop", ledger), peer("users", "people", ledger))
    assert consent.consumers(Case(provider, observed(peers=known))) == [HERE]
    assert consent.consumers(Case(provider, observed(peers=known, aliases={HERE: THERE}))) == [THERE, HERE]


def test_certificates_prove_the_old_name_too() -> None:
    mutual = service(namespace="people", placement={"from": "shop"}, grpc={**GRPC, "tls": "Mutual"})
    (request,) = certificates.requests(
        Case(mutual, observed(peers=peers(peer("users", "shop")), aliases={HERE: THERE}))
    )
    assert {"users.people.svc", "users.shop.svc"} <= set(request.hosts)


def test_names_are_followed_to_the_end_and_a_ring_of_them_ends() -> None:
    hr = Key("hr", "users")
    chain = {HERE: THERE, THERE: hr}
    assert aliases.resolve(chain, HERE) == hr
    assert aliases.predecessors(chain, hr) == (THERE, HERE)
    ring = {HERE: THERE, THERE: HERE}
    assert aliases.resolve(ring, HERE) == THERE
    assert aliases.predecessors(ring, HERE) == (THERE,)
