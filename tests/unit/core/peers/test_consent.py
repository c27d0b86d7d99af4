"""Both sides agree: a consumer declares, a provider consents, and nothing less opens anything."""

from __future__ import annotations

from typing import Any

import pytest
from freehold.core.model.case import Case
from freehold.core.model.conditions import Reason
from freehold.core.model.resources import Key, Object, Peer
from freehold.core.peers import consent

from tests.unit.core.worlds import observed, peer, peers, reconcile, service

SALES = {"kubernetes.io/metadata.name": "sales", "team": "sales", "tier": "gold"}
BARE = {"kubernetes.io/metadata.name": "sales"}


def expression(key: str, operator: str, *values: str) -> Object:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("says", "consumers", "labels", "admitted"),
    [
        ("nothing said admits no other namespace", {}, SALES, False),
        ("SameNamespace admits no other namespace", {"from": "SameNamespace"}, SALES, False),
        ("All admits every namespace", {"from": "All"}, SALES, True),
        ("All admits a namespace nothing is known of", {"from": "All"}, None, True),
    ],
)
def test_from(says: str, consumers: Object, labels: dict[str, str] | None, admitted: bool) -> None:
    provider = peer("users", "accounts", grpc={"consumers": consumers})
    assert consent.admits(provider, "sales", {"sales": labels} if labels else {}) is admitted, says


@pytest.mark.parametrize(
    ("says", "selector", "labels", "admitted"),
    [
        ("an empty selector selects every namespace", {}, BARE, True),
        ("a label that is there matches", {"matchLabels": {"team": "sales"}}, SALES, True),
        ("a label of another value does not", {"matchLabels": {"team": "ads"}}, SALES, False),
        ("a label that is not there does not", {"matchLabels": {"team": "sales"}}, BARE, False),
        ("every label must match", {"matchLabels": {"team": "sales", "tier": "iron"}}, SALES, False),
        ("In: one of the values", expression("team", "In", "ads", "sales"), SALES, True),
        ("In: none of the values", expression("team", "In", "ads"), SALES, False),
        ("In: no such label", expression("team", "In", "sales"), BARE, False),
        ("NotIn: none of the values", expression("team", "NotIn", "ads"), SALES, True),
        ("NotIn: one of the values", expression("team", "NotIn", "ads", "sales"), SALES, False),
        ("NotIn: no such label", expression("team", "NotIn", "sales"), BARE, True),
        ("Exists: the label is there", expression("team", "Exists"), SALES, True),
        ("Exists: it is not", expression("team", "Exists"), BARE, False),
        ("DoesNotExist: it is not", expression("team", "DoesNotExist"), BARE, True),
        ("DoesNotExist: the label is there", expression("team", "DoesNotExist"), SALES, False),
        (
            "labels and expressions must both hold",
            {"matchLabels": {"team": "sales"}, **expression("tier", "NotIn", "gold")},
            SALES,
            False,
        ),
    ],
)
def test_selector(says: str, selector: Object, labels: dict[str, str], admitted: bool) -> None:
    provider = peer("users", "accounts", grpc={"consumers": {"from": "Selector", "selector": selector}})
    assert consent.admits(provider, "sales", {"sales": labels}) is admitted, says


def test_a_selector_selects_nothing_of_a_namespace_that_is_not_known() -> None:
    consumers = {"from": "Selector", "selector": {"matchLabels": {"team": "sales"}}}
    assert not consent.admits(peer("users", "accounts", grpc={"consumers": consumers}), "sales", {})


USERS = Key("accounts", "users")
OPEN: Object = {"port": 6000, "consumers": {"from": "All"}}


@pytest.mark.parametrize(
    ("says", "provider", "reason"),
    [
        ("a provider that does not exist", None, Reason.PROVIDER_NOT_FOUND),
        ("one without an endpoint", peer("users", "accounts", grpc=None), Reason.PROVIDER_HAS_NO_ENDPOINT),
        ("one that does not consent", peer("users", "accounts"), Reason.CONSUMER_NOT_ALLOWED),
        ("one that consents", peer("users", "accounts", grpc=OPEN), None),
        ("one that consents and is not ready", peer("users", "accounts", grpc=OPEN, ready=False), None),
    ],
)
def test_only_consent_opens_the_way_out(says: str, provider: Peer | None, reason: Reason | None) -> None:
    consumer = service("payments", "sales", consumes=[{"name": "users", "namespace": "accounts"}])
    seen = observed(peers=peers(provider) if provider else {})
    dependencies, isolation = reconcile(consumer, seen)[:2]
    assert dependencies.condition is not None
    assert dependencies.condition.reason == (reason or Reason.RESOLVED), says
    targets = [
        to["podSelector"]["matchLabels"] for rule in isolation.objects[0]["spec"]["egress"] for to in rule["to"][:1]
    ]
    opened = any(target.get("app.kubernetes.io/instance") == "users" for target in targets)
    assert opened is (reason is None), says


@pytest.mark.parametrize(
    ("says", "consumers", "consumes", "opened"),
    [
        ("declared and admitted", {"from": "All"}, [USERS], True),
        ("admitted and not declared", {"from": "All"}, [], False),
        ("declares another of that name", {"from": "All"}, [Key("sales", "users")], False),
        ("declared and not admitted", {"from": "SameNamespace"}, [USERS], False),
    ],
)
def test_both_sides_open_the_way_in(says: str, consumers: Object, consumes: list[Key], opened: bool) -> None:
    provider = service("users", "accounts", grpc={"port": 6000, "consumers": consumers})
    seen = observed(peers=peers(peer("payments", "sales", *consumes)))
    ingress: list[dict[str, Any]] = reconcile(provider, seen)[1].objects[0]["spec"]["ingress"]
    caller = {
        "podSelector": {
            "matchLabels": {
                "app.kubernetes.io/instance": "payments",
                "app.kubernetes.io/component": "service",
                "app.kubernetes.io/managed-by": "freehold",
            }
        },
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "sales"}},
    }
    allowed = [{"from": [caller], "ports": [{"protocol": "TCP", "port": 6000}]}]
    assert ingress == (allowed if opened else []), says


def test_a_provider_that_went_away_keeps_the_address_it_had() -> None:
    consumer = service("payments", consumes=[{"name": "users"}])
    known = {
        "kind": "ConfigMap",
        "metadata": {"name": "payments-consumes"},
        "data": {"users.port": "6001"},
    }
    gone = observed([known])
    assert consent.provider_port(Case(consumer, gone), consumer.spec.consumes[0]) == 6001
    back = observed([known], peers=peers(peer("users", grpc={"port": 6002})))
    assert consent.provider_port(Case(consumer, back), consumer.spec.consumes[0]) == 6002
    never = observed()
    assert consent.provider_port(Case(consumer, never), consumer.spec.consumes[0]) == 50051


def test_a_refusal_names_who_can_change_it() -> None:
    consumer = service("payments", "sales", consumes=[{"name": "users", "namespace": "accounts"}])
    refused = consent.refusal(
        Case(consumer, observed(peers=peers(peer("users", "accounts")))), consumer.spec.consumes[0]
    )
    assert refused == (
        Reason.CONSUMER_NOT_ALLOWED,
        "users in namespace accounts admits no consumers from namespace sales; "
        "its owner can add sales under spec.grpc.consumers",
    )
