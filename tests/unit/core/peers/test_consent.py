"""Consent: a path opens only if the consumer declares the provider and the provider admits the consumer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from freehold.core.model.case import Case
from freehold.core.model.conditions import Reason
from freehold.core.model.resources import Key, Object, Peer
from freehold.core.peers import consent, shares

from tests.unit.core.worlds import observed, peer, peers, reconcile, service

SALES = {"kubernetes.io/metadata.name": "sales", "team": "sales", "tier": "gold"}
UNLABELLED = {"kubernetes.io/metadata.name": "sales"}


def expression(key: str, operator: str, *values: str) -> Object:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("description", "consumers", "labels", "admitted"),
    [
        ("the default admits no other namespace", {}, SALES, False),
        ("SameNamespace admits no other namespace", {"from": "SameNamespace"}, SALES, False),
        ("All admits every namespace", {"from": "All"}, SALES, True),
        ("All admits an unknown namespace", {"from": "All"}, None, True),
    ],
)
def test_consent_by_from(description: str, consumers: Object, labels: dict[str, str] | None, admitted: bool) -> None:
    """`from` admits the own namespace, or all namespaces."""
    provider = peer("users", "accounts", grpc={"consumers": consumers})
    assert consent.admits(provider, "sales", {"sales": labels} if labels else {}) is admitted, description


@pytest.mark.parametrize(
    ("description", "selector", "labels", "admitted"),
    [
        ("an empty selector selects every namespace", {}, UNLABELLED, True),
        ("an equal label matches", {"matchLabels": {"team": "sales"}}, SALES, True),
        ("a label of another value does not", {"matchLabels": {"team": "ads"}}, SALES, False),
        ("a missing label does not", {"matchLabels": {"team": "sales"}}, UNLABELLED, False),
        ("every label must match", {"matchLabels": {"team": "sales", "tier": "iron"}}, SALES, False),
        ("In: one of the values", expression("team", "In", "ads", "sales"), SALES, True),
        ("In: none of the values", expression("team", "In", "ads"), SALES, False),
        ("In: no such label", expression("team", "In", "sales"), UNLABELLED, False),
        ("NotIn: none of the values", expression("team", "NotIn", "ads"), SALES, True),
        ("NotIn: one of the values", expression("team", "NotIn", "ads", "sales"), SALES, False),
        ("NotIn: no such label", expression("team", "NotIn", "sales"), UNLABELLED, True),
        ("Exists: the label exists", expression("team", "Exists"), SALES, True),
        ("Exists: no such label", expression("team", "Exists"), UNLABELLED, False),
        ("DoesNotExist: no such label", expression("team", "DoesNotExist"), UNLABELLED, True),
        ("DoesNotExist: the label exists", expression("team", "DoesNotExist"), SALES, False),
        (
            "labels and expressions must both match",
            {"matchLabels": {"team": "sales"}, **expression("tier", "NotIn", "gold")},
            SALES,
            False,
        ),
    ],
)
def test_consent_by_selector(description: str, selector: Object, labels: dict[str, str], admitted: bool) -> None:
    """A selector admits the namespaces with matching labels."""
    provider = peer("users", "accounts", grpc={"consumers": {"from": "Selector", "selector": selector}})
    assert consent.admits(provider, "sales", {"sales": labels}) is admitted, description


def test_consent_selector_unknown_namespace() -> None:
    """A selector does not admit a namespace with unknown labels."""
    consumers = {"from": "Selector", "selector": {"matchLabels": {"team": "sales"}}}
    assert not consent.admits(peer("users", "accounts", grpc={"consumers": consumers}), "sales", {})


def test_shares_of_namespaces() -> None:
    """Of too many consumers each namespace keeps an equal share, whatever the others declare; the choice is by name."""
    hostile = [Key("evil", f"c{number:04}") for number in range(5000)]
    shop, sales = [Key("shop", "payments")], [Key("sales", f"s{number:03}") for number in range(300)]
    admitted = shares.shared([*hostile, *shop, *sales])
    assert admitted == {*shop, *sales, *hostile[: shares.MOST - 301]}
    assert shares.shared(reversed([*hostile, *sales, *shop])) == admitted
    assert shares.shared(sales) == {*sales}


USERS = Key("accounts", "users")
OPEN: Object = {"port": 6000, "consumers": {"from": "All"}}


@pytest.mark.parametrize(
    ("description", "provider", "reason"),
    [
        ("no provider", None, Reason.PROVIDER_NOT_FOUND),
        ("a provider without an endpoint", peer("users", "accounts", grpc=None), Reason.PROVIDER_HAS_NO_ENDPOINT),
        ("a provider that does not consent", peer("users", "accounts"), Reason.CONSUMER_NOT_ALLOWED),
        ("a provider that consents", peer("users", "accounts", grpc=OPEN), None),
        ("a provider that consents and is not ready", peer("users", "accounts", grpc=OPEN, ready=False), None),
    ],
)
def test_consent_opens_egress(description: str, provider: Peer | None, reason: Reason | None) -> None:
    """The consumer's egress opens only with the provider's consent."""
    consumer = service("payments", "sales", consumes=[{"name": "users", "namespace": "accounts"}])
    world = observed(peers=peers(provider) if provider else {})
    dependencies, isolation = reconcile(consumer, world)[:2]
    assert dependencies.condition is not None
    assert dependencies.condition.reason == (reason or Reason.RESOLVED), description
    egress = isolation.objects[0]["spec"]["egress"]
    targets = [target["podSelector"]["matchLabels"] for rule in egress for target in rule["to"][:1]]
    opened = any(target.get("app.kubernetes.io/instance") == "users" for target in targets)
    assert opened is (reason is None), description


@pytest.mark.parametrize(
    ("description", "consumers", "consumes", "opened"),
    [
        ("declared and admitted", {"from": "All"}, [USERS], True),
        ("admitted and not declared", {"from": "All"}, [], False),
        ("another service of the same name declared", {"from": "All"}, [Key("sales", "users")], False),
        ("declared and not admitted", {"from": "SameNamespace"}, [USERS], False),
    ],
)
def test_consent_opens_ingress(description: str, consumers: Object, consumes: list[Key], opened: bool) -> None:
    """The provider's ingress opens only for declared and admitted consumers."""
    provider = service("users", "accounts", grpc={"port": 6000, "consumers": consumers})
    world = observed(peers=peers(peer("payments", "sales", *consumes)))
    ingress: list[dict[str, Any]] = reconcile(provider, world)[1].objects[0]["spec"]["ingress"]
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
    assert ingress == (allowed if opened else []), description


def test_consent_removed_provider_keeps_port() -> None:
    """The last known port counts while the provider does not exist."""
    consumer = service("payments", consumes=[{"name": "users"}])
    published = {
        "kind": "ConfigMap",
        "metadata": {"name": "payments-consumes"},
        "data": {"users.port": "6001"},
    }
    removed = observed([published])
    assert consent.provider_port(Case(consumer, removed), consumer.spec.consumes[0]) == 6001
    recreated = observed([published], peers=peers(peer("users", grpc={"port": 6002})))
    assert consent.provider_port(Case(consumer, recreated), consumer.spec.consumes[0]) == 6002
    never_seen = observed()
    assert consent.provider_port(Case(consumer, never_seen), consumer.spec.consumes[0]) == 50051


def test_consent_refusal_names_owner() -> None:
    """The message of a refusal names the field that the provider's owner can change."""
    consumer = service("payments", "sales", consumes=[{"name": "users", "namespace": "accounts"}])
    refused = consent.refusal(
        Case(consumer, observed(peers=peers(peer("users", "accounts")))), consumer.spec.consumes[0]
    )
    assert refused == (
        Reason.CONSUMER_NOT_ALLOWED,
        "users in namespace accounts admits no consumers from namespace sales; "
        "its owner can add sales under spec.grpc.consumers",
    )


def test_consumers_beyond_the_share() -> None:
    """A provider admits 1000 of 5,001 consumers and says so; one beyond its share learns the reason."""
    hostile, fair = [Key("evil", f"c{number:04}") for number in range(5000)], Key("shop", "payments")
    crowds = {USERS: frozenset([*hostile, fair])}
    provider = service("users", "accounts", grpc=OPEN)
    callers = peers(*(peer(key.name, key.namespace, USERS) for key in crowds[USERS]))
    seen = observed(peers=callers, crowds=crowds)
    admitted = consent.consumers(Case(provider, seen))
    assert admitted == [*hostile[:999], fair]
    policies = reconcile(provider, seen)[1]
    assert len(json.dumps(policies.objects[0])) < 1_000_000
    assert policies.condition and policies.condition.message.endswith(
        "and refuses 4001 beyond the most consumers of a service"
    )
    known = observed(peers=peers(peer("users", "accounts", grpc=OPEN)), crowds=crowds)
    refusals = {}
    for key in (hostile[0], hostile[-1], fair):
        caller = service(key.name, key.namespace, consumes=[{"name": "users", "namespace": "accounts"}])
        refusals[key] = consent.refusal(Case(caller, known), caller.spec.consumes[0])
    refused = refusals.pop(hostile[-1])
    assert refused and refused[0] is Reason.TOO_MANY_CONSUMERS
    assert set(refusals.values()) == {None}
