"""Endpoint handover: the name redirects once the destination is ready, and returns in the same way."""

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
MOVING, STAYING = service(placement={"namespace": "people"}), service()
DESTINATION = service(namespace="people", placement={"from": "shop"})
READY = replace(peer("users", "people"), replaces="shop")
POD: Object = {"spec": {"containers": [{"name": "service", "image": IMAGE}]}}
SPEC: Object = {"replicas": 1, "template": POD}
DEPLOYMENT = {"kind": "Deployment", "metadata": {"name": "users", "generation": 1}, "spec": SPEC}
SERVING = {**DEPLOYMENT, "status": {"availableReplicas": 1, "replicas": 1, "updatedReplicas": 1}}
ALIAS = {"kind": "Service", "spec": {"type": "ExternalName", "externalName": "users.people.svc.cluster.local"}}
REDIRECT = {**ALIAS, "metadata": {"name": "users"}}


def world(other: Peer | None, *objects: Object, agreed: bool = True, status: Object | None = None) -> Observed:
    """Return an observation with a consumer, and with the counterpart. agreed: both sides declare the move."""
    consumer = peer("payments", "shop", HERE)
    known = peers(consumer, other) if other else peers(consumer)
    known_aliases = {HERE: THERE} if agreed else {}
    return observed(objects, peers=known, aliases=known_aliases, status=status or {})


def outcome(subject: Service, seen: Observed) -> tuple[str, bool, Condition | None]:
    """Return the redirect's DNS name, whether pods are wanted, and condition Relocated."""
    plans = reconcile(subject, seen)
    wanted = objects_of(plans)
    spec, deployment = (wanted[Ref(kind, "users")]["spec"] for kind in ("Service", "Deployment"))
    conditions = (plan.condition for plan in plans if plan.condition and plan.condition.type is Type.RELOCATED)
    return spec.get("externalName", ""), bool(deployment["replicas"]), next(conditions, None)


@pytest.mark.parametrize(
    ("description", "other", "agreed", "reason", "message"),
    [
        (
            "no Microservice at the destination",
            None,
            False,
            Reason.MOVE_BLOCKED,
            "namespace people has no Microservice users",
        ),
        (
            "not declared there",
            READY,
            False,
            Reason.MOVE_BLOCKED,
            "people/users does not declare the source of the move",
        ),
        (
            "another port",
            replace(peer("users", "people", grpc={"port": 6000}), replaces="shop"),
            True,
            Reason.MOVE_BLOCKED,
            "differs between people/users and shop/users",
        ),
        ("not ready", replace(READY, ready=False), True, Reason.MOVING_PODS, "pods start in namespace people"),
        (
            "policies not adapted yet",
            replace(READY, replaces=""),
            True,
            Reason.MOVING_PODS,
            "pods start in",
        ),
    ],
)
def test_redirect_waits_while(description: str, other: Peer | None, agreed: bool, reason: Reason, message: str) -> None:
    """The endpoint is not redirected while the destination is missing, different or not ready."""
    target, pods, condition = outcome(MOVING, world(other, SERVING, agreed=agreed))
    assert (target, pods) == ("", True), description
    assert condition
    assert condition.reason is reason
    assert message in condition.message
    assert condition.state is (State.FALSE if reason is Reason.MOVE_BLOCKED else State.UNKNOWN)


def test_redirect_precedes_end_of_pods() -> None:
    """The endpoint is redirected before the source's pods end."""
    assert outcome(MOVING, world(READY, SERVING))[:2] == ("users.people.svc.cluster.local", True)
    target, pods, condition = outcome(MOVING, world(READY, SERVING, REDIRECT))
    assert (target, pods) == ("users.people.svc.cluster.local", False)
    assert condition == Condition(
        Type.RELOCATED,
        State.TRUE,
        Reason.RELOCATED,
        "users.shop.svc redirects to people/users; consumers that use the old name: shop/payments",
    )


def test_redirect_kept_while_target_not_ready() -> None:
    """A completed redirect stays while the target is not ready."""
    seen = world(replace(READY, ready=False), REDIRECT)
    assert outcome(MOVING, seen)[:2] == ("users.people.svc.cluster.local", False)
    endpoint = next(p.condition for p in reconcile(MOVING, seen) if p.condition and p.condition.type == "EndpointReady")
    assert (endpoint.state, endpoint.reason) == (State.UNKNOWN, Reason.REDIRECTED)


@pytest.mark.parametrize(
    ("subject", "seen"),
    [
        (STAYING, world(READY, REDIRECT)),
        (STAYING, world(READY, REDIRECT, DEPLOYMENT)),
        (MOVING, world(None, REDIRECT, agreed=False)),
        (MOVING, world(READY, REDIRECT, DEPLOYMENT, agreed=False)),
    ],
    ids=["aborted", "pods start", "destination deleted", "destination does not declare"],
)
def test_return_waits_for_own_pods(subject: Service, seen: Observed) -> None:
    """The endpoint returns only once the service's own pods serve."""
    assert outcome(subject, seen)[:2] == ("users.people.svc.cluster.local", True)
    serving = replace(seen, objects={**seen.objects, Ref("Deployment", "users"): SERVING})
    assert outcome(subject, serving)[:2] == ("", True)


def test_return_scaled_to_zero() -> None:
    """The endpoint of a service with zero replicas returns at once."""
    assert outcome(service(replicas=0), world(READY, REDIRECT))[0] == ""


def test_return_reported_only_after_move() -> None:
    """AtDestination is reported after a return, not for a service that never moved."""
    moved = {"move": {"from": {"namespace": "shop"}, "to": {"namespace": "people"}, "step": "Relocated"}}
    condition = outcome(STAYING, world(READY, SERVING, status=moved))[2]
    assert condition
    assert (condition.reason, condition.message) == (Reason.AT_DESTINATION, "in namespace shop, as declared")
    assert outcome(STAYING, world(READY, SERVING))[2] is None


def test_return_previous_target_expires() -> None:
    """The path to the previous target closes once cached DNS answers have expired."""

    def plan_of(seen: Observed) -> Plan:
        return next(plan for plan in reconcile(STAYING, seen) if plan.capability == handover.CAPABILITY)

    moved: Object = {"to": {"namespace": "people"}, "step": "MovingPods"}
    returned = world(READY, SERVING, status={"move": moved, "endpointTarget": "people"})
    for _ in range(2):
        plan = plan_of(returned)
        assert plan.condition
        assert (plan.condition.state, plan.condition.reason) == (State.UNKNOWN, Reason.REDIRECTING_ENDPOINT)
        assert plan.retry_after == handover.DNS_TTL.total_seconds()
        returned = replace(returned, status=plan.status)
    plan = plan_of(replace(returned, now=returned.now + handover.DNS_TTL))
    assert plan.condition
    assert plan.condition.reason is Reason.AT_DESTINATION
    assert "previousTarget" not in plan.status


def test_destination_own_namespace() -> None:
    """The service's own namespace is no destination."""
    assert aliases.destination(service(placement={"namespace": "shop"})) is None


def test_destination_condition() -> None:
    """The destination reports the replaced service, or waits for the source's declaration."""
    source = peer("users", "shop")
    agreed = outcome(DESTINATION, observed(peers=peers(source), aliases={HERE: THERE}))[2]
    assert agreed
    assert (agreed.state, agreed.reason) == (State.TRUE, Reason.RELOCATED)
    waiting = outcome(DESTINATION, observed(peers=peers(source)))[2]
    assert waiting
    assert (waiting.state, waiting.reason) == (State.UNKNOWN, Reason.WAITING_FOR_CONSENT)
    assert outcome(DESTINATION, observed())[2] is None, "no condition once the source is deleted"


def test_destination_admits_consumers_of_source() -> None:
    """Consumers of the source are admitted at the destination, and no others."""
    refused, own = peer("stranger", "bank", HERE), peer("desk", "people", THERE)
    seen = observed(peers=peers(peer("users", "shop"), peer("payments", "shop", HERE), refused, own))
    assert consent.consumers(Case(DESTINATION, seen)) == [own.key]
    assert consent.consumers(Case(DESTINATION, replace(seen, aliases={HERE: THERE}))) == [own.key, PAYMENTS]


def test_destination_admitted_like_source() -> None:
    """Providers that admit the source admit the destination."""
    ledger = Key("shop", "ledger")
    moved = service(namespace="people", placement={"from": "shop"}, consumes=[{"name": "ledger", "namespace": "shop"}])
    (consumed,) = moved.spec.consumes
    for consumes, admitted in (((ledger,), True), ((), False)):
        seen = observed(peers=peers(peer("ledger"), peer("users", "shop", *consumes)), aliases={HERE: THERE})
        assert (consent.refusal(Case(moved, seen), consumed) is None) is admitted
    provider = service("ledger")
    known = peers(peer("users", "shop", ledger), peer("users", "people", ledger))
    assert consent.consumers(Case(provider, observed(peers=known))) == [HERE]
    assert consent.consumers(Case(provider, observed(peers=known, aliases={HERE: THERE}))) == [THERE, HERE]


def test_destination_certificate_has_old_name() -> None:
    """The destination's certificate includes the source's name."""
    mutual = service(namespace="people", placement={"from": "shop"}, grpc={**GRPC, "tls": "Mutual"})
    (request,) = certificates.requests(
        Case(mutual, observed(peers=peers(peer("users", "shop")), aliases={HERE: THERE}))
    )
    assert {"users.people.svc", "users.shop.svc"} <= set(request.hosts)


def test_aliases_chain_and_ring() -> None:
    """Aliases are followed to the end of a chain; a ring ends."""
    hr = Key("hr", "users")
    chain = {HERE: THERE, THERE: hr}
    assert aliases.resolve(chain, HERE) == hr
    assert aliases.predecessors(chain, hr) == (THERE, HERE)
    ring = {HERE: THERE, THERE: HERE}
    assert aliases.resolve(ring, HERE) == THERE
    assert aliases.predecessors(ring, HERE) == (THERE,)
