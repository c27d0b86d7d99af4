"""The rollout gate: which images are held back, and how a break is accepted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from freehold.core import contracts, migrations
from freehold.core.contracts import published
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, State
from freehold.core.model.resources import Key, Peer, Ref
from freehold.core.objects import deployments, meta
from freehold.core.protobuf.checks import Check, Kind, Result, nothing_checked
from freehold.core.reconcile import report
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from tests import offered, sandboxed
from tests.unit.core.offers import (
    ADDITIVE,
    BREAKING,
    DEPLOYMENT,
    NEW,
    OLD,
    PAYMENTS,
    POLICY,
    condition,
    payments,
    planned_image,
    plans,
    reader_jobs,
    ready_condition,
    service,
    serving,
    with_answers,
    with_contract,
)
from tests.unit.core.worlds import DATABASE, objects_of, peer, placed, reconcile


def test_new_image_waits_for_the_reader() -> None:
    """Pods and migration of a new image wait until the contract is read."""
    subject = service(database=DATABASE)
    seen = serving(PAYMENTS, database=DATABASE)
    assert planned_image(seen, subject) == OLD
    jobs = {ref for ref in seen.objects if ref.kind == "Job"}
    assert jobs == plans(seen, subject)["migrations"].keep
    assert not plans(seen, subject)["migrations"].objects, "the migration does not start either"
    assert ready_condition(seen, subject)["reason"] == "ReadingContract"
    good = with_answers(seen, subject, offered.answer(ADDITIVE))
    assert [body["kind"] for body in plans(good, subject)["migrations"].objects] == ["Job"]


def test_breaking_image_is_held_back() -> None:
    """A breaking image is held back; all other changes of the spec take effect."""
    subject = service(database=DATABASE, replicas=3, resources={"limits": {"memory": "1Gi"}})
    seen = with_contract(serving(PAYMENTS, database=DATABASE), BREAKING)
    found = condition(seen, subject)
    assert (found.state, found.reason) == (State.FALSE, "BreaksConsumers")
    assert found.message == (
        "users:1.5.0 is held back: payments calls shop.users.v1.UsersService/GetUser, and field 3 'email' of "
        "shop.users.v1.User is gone (FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED); users:1.4.0 goes on serving. Keep the "
        "called methods compatible, or let payments declare in spec.consumes[].methods only methods that are still "
        "called"
    )
    assert ready_condition(seen, subject)["reason"] == "BreaksConsumers"
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
    ("title", "consumers", "contract"),
    [
        ("no consumer", (), BREAKING),
        ("the called method is unchanged", (payments(offered.COUNT_USERS),), BREAKING),
        ("a compatible change", (payments(),), ADDITIVE),
        ("the consumer is not admitted", (payments(namespace="elsewhere"),), BREAKING),
        ("the called method never existed", (payments("shop.users.v1.UsersService/Gone"),), BREAKING),
    ],
)
def test_compatible_image_rolls_out(title: str, consumers: tuple[Peer, ...], contract: bytes) -> None:
    """An image that breaks no admitted consumer rolls out."""
    seen = with_contract(serving(*consumers), contract)
    assert planned_image(seen, service()) == NEW, title


@pytest.mark.parametrize("methods", [(), ("shop.users.v1.UsersService/*",), (offered.COUNT_USERS, offered.GET_USER)])
def test_consumer_of_the_changed_method_is_broken(methods: tuple[str, ...]) -> None:
    """A consumer is broken if the declaration, or a missing one, covers the changed method."""
    seen = with_contract(serving(payments(*methods)), BREAKING)
    assert planned_image(seen, service()) == OLD


def test_message_counts_further_consumers() -> None:
    """A message names three consumers and counts the rest."""
    consumers = [payments(name=f"consumer-{number}") for number in range(9)]
    seen = with_contract(serving(*consumers), offered.users("service UsersService {", "service Other {"))
    message = condition(seen, service()).message
    assert "consumer-0, consumer-1, consumer-2 and 6 more call shop.users.v1.UsersService/RegisterUser" in message
    assert len(message) < 1000


def test_rolling_back_restores_ready() -> None:
    """With the old image declared again, the service is ready, and the new contract is removed."""
    seen = with_contract(serving(PAYMENTS, database=DATABASE), BREAKING)
    back = service(OLD, database=DATABASE)
    assert ready_condition(seen, back)["status"] == State.TRUE
    assert {ref.name for ref in objects_of([contracts.plan(Case(back, seen))])} == {published.name("users", OLD, {})}, (
        "the contract of the other image is removed"
    )


def test_next_image_replaces_the_reader() -> None:
    """If the image changes while a reader runs, the new image gets a reader."""
    seen = serving(PAYMENTS)
    first = placed(seen, reconcile(service(), seen), running=False)
    third = service("localhost/freehold/users:1.6.0")
    (job,) = reader_jobs(first, third)
    plan = contracts.plan(Case(third, first))
    assert job["spec"]["template"]["spec"]["initContainers"][0]["image"].endswith(":1.6.0")
    others = {ref for ref in first.objects if ref.kind == "Job"}
    assert others and not others & plan.keep
    assert POLICY in objects_of([plan])


def test_edited_config_map_does_not_count() -> None:
    """A deleted or edited ConfigMap makes the serving image be read again."""
    seen = with_contract(serving(PAYMENTS), BREAKING)
    ref = Ref("ConfigMap", published.name("users", OLD, {}))
    for changed in (None, {**seen.objects[ref], "binaryData": {published.DESCRIPTORS: "AAAA"}}):
        objects = {key: live for key, live in seen.objects.items() if key != ref}
        edited = replace(seen, objects={**objects, ref: changed} if changed else objects)
        assert planned_image(edited, service()) == OLD, "the serving image is read again before the rollout"
        assert len(reader_jobs(edited, service())) == 1
        again = with_answers(edited, service(), offered.answer(offered.users()))
        assert condition(again, service()).reason == "BreaksConsumers"


@pytest.mark.parametrize("accepted", [NEW, published.digest(BREAKING)])
def test_accepted_break_is_announced_first(accepted: str) -> None:
    """An accepted break is announced in condition and Event before the rollout."""
    subject = service(annotations={meta.ACCEPT_CONTRACT: accepted})
    seen = with_contract(serving(PAYMENTS), BREAKING)
    first = report(Case(subject, seen), reconcile(subject, seen))
    assert planned_image(seen, subject) == OLD
    (event,) = [event for event in first.events if event.reason == "ContractAccepted"]
    assert event.type == "Warning"
    assert event.note == (
        "ContractPublished: users:1.5.0 is let through by freehold.dev/accept-contract, although payments calls "
        "shop.users.v1.UsersService/GetUser, and field 3 'email' of shop.users.v1.User is gone "
        "(FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED)"
    )
    assert first.pause == 0
    announced = replace(seen, status=first.status)
    assert planned_image(announced, subject) == NEW
    events = report(Case(subject, announced), reconcile(subject, announced)).events
    assert "ContractAccepted" not in {event.reason for event in events}
    another = service(annotations={meta.ACCEPT_CONTRACT: OLD})
    assert planned_image(announced, another) == OLD


def test_consumers_of_an_alias_count() -> None:
    """Consumers of an alias count, with the methods declared for the alias."""
    old, subject = Key("before", "users"), service()
    caller = replace(peer("payments", "before", old), calls={old: (offered.GET_USER,)})
    seen = replace(serving(caller, peer("users", "before")), aliases={old: subject.key})
    assert condition(with_contract(seen, BREAKING), subject).reason == "BreaksConsumers"
    compatible = replace(caller, calls={old: ("shop.users.v1.UsersService/CountUsers",)})
    unaffected = replace(seen, peers={**seen.peers, compatible.key: compatible})
    assert planned_image(with_contract(unaffected, BREAKING), subject) == NEW
    assert planned_image(with_contract(replace(seen, aliases={}), BREAKING), subject) == NEW


def test_unchecked_contract_holds_nothing_that_exists() -> None:
    """Until a contract is checked, the plan asks for the check, and everything that was read is kept."""
    seen = with_contract(serving(PAYMENTS), BREAKING)
    unchecked = replace(seen, checked=nothing_checked)
    plan = contracts.plan(Case(service(), unchecked))
    assert plan.checks == (Check(Kind.METHODS, BREAKING), Check(Kind.METHODS, offered.users()))
    assert {Ref("ConfigMap", published.name("users", image, {})) for image in (OLD, NEW)} <= plan.keep
    assert not [body for body in plan.objects if body["kind"] == "Job"], "no image is read again"
    assert planned_image(unchecked, service()) == OLD


def test_comparison_is_checked_after_both_contracts() -> None:
    """With both contracts known, the plan asks for the comparison, and the rollout waits."""
    seen = with_contract(serving(PAYMENTS), BREAKING)

    def methods_only(check: Check) -> Result | None:
        return seen.checked(check) if check.kind is Kind.METHODS else None

    compared = replace(seen, checked=methods_only)
    assert contracts.plan(Case(service(), compared)).checks == (Check(Kind.BREAKS, offered.users(), BREAKING),)
    assert planned_image(compared, service()) == OLD


def test_crashing_contract() -> None:
    """A published contract that would crash protobuf's runtime is invalid, for this service alone."""
    file = FileDescriptorProto(name="a.proto", package="a", syntax="proto2")
    file.message_type.add(name="M").field.add(name="b", number=1, type=9, label=3, default_value="x")
    file.service.add(name="S").method.add(name="Do", input_type=".a.M", output_type=".a.M")
    hostile = FileDescriptorSet(file=[file]).SerializeToString()
    with sandboxed.started() as sandbox:
        seen = replace(serving(PAYMENTS), checked=lambda check: sandbox.run(check)[0])
        poisoned = with_contract(with_contract(seen, hostile), hostile, OLD)
        found = condition(poisoned, service())
        assert (found.state, found.reason) == (State.FALSE, "ContractInvalid")
        assert found.message.endswith("field a.M.b has a default, and is repeated or a message")
        assert planned_image(poisoned, service()) == NEW
