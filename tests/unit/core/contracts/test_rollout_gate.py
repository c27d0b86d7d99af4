"""Whom a rollout would break, and what is done about it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from freehold.core import contracts, migrations
from freehold.core.contracts import published
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, State
from freehold.core.model.resources import Key, Peer, Ref
from freehold.core.objects import deployments, meta
from freehold.core.reconcile import report

from tests import offered
from tests.unit.core.offers import (
    ADDITIVE,
    BREAKING,
    DEPLOYMENT,
    NEW,
    OLD,
    PAYMENTS,
    WALL,
    answered,
    asking,
    condition,
    image_of,
    is_ready,
    known,
    payments,
    plans,
    service,
    serving,
)
from tests.unit.core.worlds import DATABASE, objects_of, peer, placed, reconcile


def test_a_new_image_waits_until_it_is_known_what_it_offers() -> None:
    subject = service(database=DATABASE)
    seen = serving(PAYMENTS, database=DATABASE)
    assert image_of(seen, subject) == OLD
    jobs = {ref for ref in seen.objects if ref.kind == "Job"}
    assert jobs == plans(seen, subject)["migrations"].keep
    assert not plans(seen, subject)["migrations"].objects, "nor does its migration start"
    assert is_ready(seen, subject)["reason"] == "ReadingContract"
    good = answered(seen, subject, offered.answer(ADDITIVE))
    assert [body["kind"] for body in plans(good, subject)["migrations"].objects] == ["Job"]


def test_an_image_that_breaks_a_consumer_is_held_back_and_everything_else_goes_through() -> None:
    subject = service(database=DATABASE, replicas=3, resources={"limits": {"memory": "1Gi"}})
    seen = known(serving(PAYMENTS, database=DATABASE), BREAKING)
    said = condition(seen, subject)
    assert (said.state, said.reason) == (State.FALSE, "BreaksConsumers")
    assert said.message == (
        "users:1.5.0 is held back: payments calls shop.users.v1.UsersService/GetUser, and field 3 'email' of "
        "shop.users.v1.User is gone (FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED); users:1.4.0 goes on serving. Keep what "
        "is called as it was, or have payments name in spec.consumes[].methods only what is still called"
    )
    assert is_ready(seen, subject)["reason"] == "BreaksConsumers"
    live = objects_of(reconcile(subject, seen))[DEPLOYMENT]
    assert deployments.image_of(live) == OLD
    assert live["spec"]["replicas"] == 3
    (container,) = live["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["memory"] == "1Gi"
    migration = plans(seen, subject)["migrations"]
    assert migration.keep and not migration.objects
    assert migrations.plan(Case(subject, seen)).condition == Condition(
        migration.condition.type,  # type: ignore[union-attr]
        State.TRUE,
        migration.condition.reason,  # type: ignore[union-attr]
        "the schema is the one users:1.4.0 needs; users:1.5.0 is held back",
    )


@pytest.mark.parametrize(
    ("says", "consumers", "contract"),
    [
        ("nobody consumes it", (), BREAKING),
        ("what is called is as it was", (payments(offered.COUNT_USERS),), BREAKING),
        ("it only offers more", (payments(),), ADDITIVE),
        ("the one who calls it is not admitted", (payments(namespace="elsewhere"),), BREAKING),
        ("what is called was never there", (payments("shop.users.v1.UsersService/Gone"),), BREAKING),
    ],
)
def test_an_image_that_breaks_nobody_goes_ahead(says: str, consumers: tuple[Peer, ...], contract: bytes) -> None:
    seen = known(serving(*consumers), contract)
    assert image_of(seen, service()) == NEW, says


@pytest.mark.parametrize("methods", [(), ("shop.users.v1.UsersService/*",), (offered.COUNT_USERS, offered.GET_USER)])
def test_a_consumer_that_may_call_it_is_broken(methods: tuple[str, ...]) -> None:
    seen = known(serving(payments(*methods)), BREAKING)
    assert image_of(seen, service()) == OLD


def test_a_message_names_a_few_and_counts_the_rest() -> None:
    consumers = [payments(name=f"consumer-{number}") for number in range(9)]
    seen = known(serving(*consumers), offered.users("service UsersService {", "service Other {"))
    message = condition(seen, service()).message
    assert "consumer-0, consumer-1, consumer-2 and 6 more call shop.users.v1.UsersService/RegisterUser" in message
    assert len(message) < 1000


def test_rolled_back_it_is_as_before() -> None:
    seen = known(serving(PAYMENTS, database=DATABASE), BREAKING)
    back = service(OLD, database=DATABASE)
    assert is_ready(seen, back)["status"] == State.TRUE
    assert {ref.name for ref in objects_of([contracts.plan(Case(back, seen))])} == {published.name("users", OLD, {})}, (
        "what the other offers is forgotten"
    )


def test_an_image_that_changes_again_while_it_is_asked_is_asked_anew() -> None:
    seen = serving(PAYMENTS)
    first = placed(seen, reconcile(service(), seen), running=False)
    third = service("localhost/freehold/users:1.6.0")
    (job,) = asking(first, third)
    plan = contracts.plan(Case(third, first))
    assert job["spec"]["template"]["spec"]["initContainers"][0]["image"].endswith(":1.6.0")
    others = {ref for ref in first.objects if ref.kind == "Job"}
    assert others and not others & plan.keep
    assert WALL in objects_of([plan])


def test_what_somebody_else_wrote_into_it_does_not_count() -> None:
    seen = known(serving(PAYMENTS), BREAKING)
    ref = Ref("ConfigMap", published.name("users", OLD, {}))
    for changed in (None, {**seen.objects[ref], "binaryData": {published.DESCRIPTORS: "AAAA"}}):
        objects = {key: live for key, live in seen.objects.items() if key != ref}
        edited = replace(seen, objects={**objects, ref: changed} if changed else objects)
        assert image_of(edited, service()) == OLD, "the image that serves is asked anew before another replaces it"
        assert len(asking(edited, service())) == 1
        again = answered(edited, service(), offered.answer(offered.users()))
        assert condition(again, service()).reason == "BreaksConsumers"


@pytest.mark.parametrize("named", [NEW, published.digest(BREAKING)])
def test_its_owner_may_let_it_through_and_that_is_said_before_it_is_done(named: str) -> None:
    subject = service(annotations={meta.ACCEPT_CONTRACT: named})
    seen = known(serving(PAYMENTS), BREAKING)
    said = report(Case(subject, seen), reconcile(subject, seen))
    assert image_of(seen, subject) == OLD
    (event,) = [event for event in said.events if event.reason == "ContractAccepted"]
    assert event.type == "Warning"
    assert event.note == (
        "ContractPublished: users:1.5.0 is let through by freehold.dev/accept-contract, although payments calls "
        "shop.users.v1.UsersService/GetUser, and field 3 'email' of shop.users.v1.User is gone "
        "(FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED)"
    )
    assert said.pause == 0
    heard = replace(seen, status=said.status)
    assert image_of(heard, subject) == NEW
    events = report(Case(subject, heard), reconcile(subject, heard)).events
    assert "ContractAccepted" not in {event.reason for event in events}
    another = service(annotations={meta.ACCEPT_CONTRACT: OLD})
    assert image_of(heard, another) == OLD


def test_whoever_knows_it_by_a_name_that_it_took_over_counts_with_what_that_declares() -> None:
    old, subject = Key("before", "users"), service()
    caller = replace(peer("payments", "before", old), calls={old: (offered.GET_USER,)})
    seen = replace(serving(caller, peer("users", "before")), aliases={old: subject.key})
    assert condition(known(seen, BREAKING), subject).reason == "BreaksConsumers"
    counts = replace(caller, calls={old: ("shop.users.v1.UsersService/CountUsers",)})
    unhurt = replace(seen, peers={**seen.peers, counts.key: counts})
    assert image_of(known(unhurt, BREAKING), subject) == NEW
    assert image_of(known(replace(seen, aliases={}), BREAKING), subject) == NEW
