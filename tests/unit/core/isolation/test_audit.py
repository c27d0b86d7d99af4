"""What walls would cut, said while none stands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from freehold.core.model.case import Case
from freehold.core.model.conditions import State
from freehold.core.model.resources import Key, ObservedConnection
from freehold.core.reconcile import report

from tests.unit.core.worlds import DATABASE, observed, peer, peers, reconcile, service, settled

USERS, LEDGER, REPORTS = Key("shop", "users"), Key("shop", "ledger"), Key("shop", "reports")
SUBJECT = service(
    database=DATABASE,
    isolation="Audit",
    http={"port": 8080},
    consumes=[{"name": "ledger"}],
    egress=[{"cidr": "203.0.113.0/24", "ports": [443]}],
)
PEERS = peers(peer("ledger"), peer("reports", "shop", USERS))


A_CONSUMER = (REPORTS, "service")


def test_an_address_that_may_be_a_gateways_is_said_to_be_one() -> None:
    expose = {"gateway": {"name": "public"}, "hostnames": ["users.example.com"]}
    subject = service(grpc={"port": 50051, "expose": expose}, isolation="Audit")
    world = observed(connections=(came(50051, "10.0.0.2"), came(9, "10.0.0.2")))
    conditions = {c["type"]: c for c in report(Case(subject, world), reconcile(subject, world)).status["conditions"]}
    cut = "10.0.0.2 → users:50051 (unless it is of the proxies of Gateway shop/public); 10.0.0.2 → users:9"
    assert str(conditions["IsolationEnforced"]["message"]).endswith(f"Enforced would cut: {cut}")


def came(port: int, peer: str, who: tuple[Key, str] | None = None) -> ObservedConnection:
    return ObservedConnection("service", "in", port, peer, who)


def came_to_data(port: int, peer: str, who: tuple[Key, str] | None = None) -> ObservedConnection:
    return ObservedConnection("database", "in", port, peer, who)


def went(port: int, peer: str, who: tuple[Key, str] | None = None) -> ObservedConnection:
    return ObservedConnection("service", "out", port, peer, who)


def said(*connections: ObservedConnection, **seen: Any) -> str:
    world = replace(settled(SUBJECT, observed(peers=PEERS)), connections=connections, **seen)
    conditions = {c["type"]: c for c in report(Case(SUBJECT, world), reconcile(SUBJECT, world)).status["conditions"]}
    assert conditions["IsolationEnforced"]["reason"] == "Audit"
    return str(conditions["IsolationEnforced"]["message"])


@pytest.mark.parametrize(
    ("says", "connection", "cut"),
    [
        ("its consumer", came(50051, "10.0.0.1", A_CONSUMER), ""),
        ("a stranger", came(50051, "10.0.0.2"), "10.0.0.2 → users:50051"),
        ("its consumer's database", came(50051, "10.0.0.3", (REPORTS, "database")), "database →"),
        ("anybody at its page", came(8080, "10.0.0.2"), ""),
        (
            "its consumer elsewhere",
            came(9, "10.0.0.1", A_CONSUMER),
            "users:9",
        ),
        ("itself at its database", came_to_data(5432, "10.0.0.4", (USERS, "service")), ""),
        ("its migrations at its database", came_to_data(5432, "10.0.0.5", (USERS, "migrations")), ""),
        (
            "another at its database",
            came_to_data(5432, "10.0.0.1", A_CONSUMER),
            "shop/reports → users-database:5432",
        ),
        ("DNS", went(53, "10.96.0.10"), ""),
        ("its own database", went(5432, "10.96.0.11", (USERS, "database")), ""),
        ("a service it consumes", went(50051, "10.0.0.6", (LEDGER, "service")), ""),
        (
            "one it does not",
            went(50051, "10.0.0.1", A_CONSUMER),
            "users → shop/reports:50051",
        ),
        (
            "another's database",
            went(5432, "10.0.0.7", (LEDGER, "database")),
            "users → shop/ledger-database",
        ),
        ("the world outside that it names", went(443, "203.0.113.9"), ""),
        ("the world outside on another port", went(80, "203.0.113.9"), "users → 203.0.113.9:80"),
        (
            "a database that calls out",
            ObservedConnection("database", "out", 443, "203.0.113.9"),
            "users-database → 203.0.113.9:443",
        ),
    ],
)
def test_what_would_be_cut(says: str, connection: ObservedConnection, cut: str) -> None:
    message = said(connection)
    assert ("would cut nothing" in message) is (not cut), says
    assert cut in message, says


def test_many_are_counted_and_a_few_named() -> None:
    message = said(*(came(50051, f"10.0.1.{n}") for n in range(9)))
    assert message.count("→") == 5 and message.endswith("and 4 more")


def test_what_is_declared_without_consent_is_named_too() -> None:
    alone = replace(settled(SUBJECT, observed(peers=PEERS)), peers={})
    (condition,) = [plan.condition for plan in reconcile(SUBJECT, alone) if plan.capability == "isolation"]
    assert condition and "users → shop/ledger, as ledger in namespace shop does not exist" in condition.message


def test_no_wall_is_wanted_nothing_is_tried_and_it_is_ready_all_the_same() -> None:
    seen = settled(SUBJECT, observed(peers=PEERS))
    assert not [ref for ref in seen.objects if ref.kind == "NetworkPolicy"]
    status = report(Case(SUBJECT, seen), reconcile(SUBJECT, seen)).status
    by_type = {c["type"]: c for c in status["conditions"]}
    assert by_type["Ready"]["status"] == State.TRUE
    assert by_type["IsolationEnforced"]["status"] == State.FALSE
    assert "isolation" not in status


def test_walls_rise_when_it_is_taken_out() -> None:
    seen = settled(SUBJECT, observed(peers=PEERS))
    walled = service(**{**SUBJECT.spec.model_dump(by_alias=True, exclude={"isolation"})})
    kinds = [body["kind"] for plan in reconcile(walled, seen) for body in plan.objects]
    assert kinds.count("NetworkPolicy") == 3
