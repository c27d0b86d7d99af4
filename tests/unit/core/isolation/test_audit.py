"""Audit mode reports the connections that network policies would cut."""

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


CONSUMER = (REPORTS, "service")


def test_audit_marks_possible_gateway_address() -> None:
    """A connection to an exposed gRPC port from an unknown address may be a Gateway's."""
    expose = {"gateway": {"name": "public"}, "hostnames": ["users.example.com"]}
    subject = service(grpc={"port": 50051, "expose": expose}, isolation="Audit")
    world = observed(connections=(incoming(50051, "10.0.0.2"), incoming(9, "10.0.0.2")))
    conditions = {c["type"]: c for c in report(Case(subject, world), reconcile(subject, world)).status["conditions"]}
    cut = "10.0.0.2 → users:50051 (unless from the proxies of Gateway shop/public); 10.0.0.2 → users:9"
    assert str(conditions["IsolationEnforced"]["message"]).endswith(f"Enforced would cut: {cut}")


def incoming(port: int, peer: str, peer_service: tuple[Key, str] | None = None) -> ObservedConnection:
    """Return a connection to the service."""
    return ObservedConnection("service", "in", port, peer, peer_service)


def to_database(port: int, peer: str, peer_service: tuple[Key, str] | None = None) -> ObservedConnection:
    """Return a connection to the service's database."""
    return ObservedConnection("database", "in", port, peer, peer_service)


def outgoing(port: int, peer: str, peer_service: tuple[Key, str] | None = None) -> ObservedConnection:
    """Return a connection from the service."""
    return ObservedConnection("service", "out", port, peer, peer_service)


def message_on(*connections: ObservedConnection, **fields: Any) -> str:
    """Return the message of IsolationEnforced for observed connections."""
    world = replace(settled(SUBJECT, observed(peers=PEERS)), connections=connections, **fields)
    conditions = {c["type"]: c for c in report(Case(SUBJECT, world), reconcile(SUBJECT, world)).status["conditions"]}
    assert conditions["IsolationEnforced"]["reason"] == "Audit"
    return str(conditions["IsolationEnforced"]["message"])


@pytest.mark.parametrize(
    ("description", "connection", "cut"),
    [
        ("a consumer", incoming(50051, "10.0.0.1", CONSUMER), ""),
        ("an unmanaged pod", incoming(50051, "10.0.0.2"), "10.0.0.2 → users:50051"),
        ("a consumer's database", incoming(50051, "10.0.0.3", (REPORTS, "database")), "database →"),
        ("an unmanaged pod at the HTTP port", incoming(8080, "10.0.0.2"), ""),
        (
            "a consumer at another port",
            incoming(9, "10.0.0.1", CONSUMER),
            "users:9",
        ),
        ("the service at the database", to_database(5432, "10.0.0.4", (USERS, "service")), ""),
        ("the migrations at the database", to_database(5432, "10.0.0.5", (USERS, "migrations")), ""),
        (
            "another service at the database",
            to_database(5432, "10.0.0.1", CONSUMER),
            "shop/reports → users-database:5432",
        ),
        ("DNS", outgoing(53, "10.96.0.10"), ""),
        ("the own database", outgoing(5432, "10.96.0.11", (USERS, "database")), ""),
        ("a consumed service", outgoing(50051, "10.0.0.6", (LEDGER, "service")), ""),
        (
            "a service that is not consumed",
            outgoing(50051, "10.0.0.1", CONSUMER),
            "users → shop/reports:50051",
        ),
        (
            "another service's database",
            outgoing(5432, "10.0.0.7", (LEDGER, "database")),
            "users → shop/ledger-database",
        ),
        ("an address in spec.egress", outgoing(443, "203.0.113.9"), ""),
        ("an address in spec.egress, on another port", outgoing(80, "203.0.113.9"), "users → 203.0.113.9:80"),
        (
            "a connection from the database",
            ObservedConnection("database", "out", 443, "203.0.113.9"),
            "users-database → 203.0.113.9:443",
        ),
    ],
)
def test_audit_connection_cut(description: str, connection: ObservedConnection, cut: str) -> None:
    """Undeclared connections are named; declared ones are not."""
    message = message_on(connection)
    assert ("would cut none of" in message) is (not cut), description
    assert cut in message, description


def test_audit_message_limited() -> None:
    """The message names five connections and counts the others."""
    message = message_on(*(incoming(50051, f"10.0.1.{n}") for n in range(9)))
    assert message.count("→") == 5 and message.endswith("and 4 more")


def test_audit_names_missing_consent() -> None:
    """A declared provider that does not consent is named."""
    without_provider = replace(settled(SUBJECT, observed(peers=PEERS)), peers={})
    (condition,) = [plan.condition for plan in reconcile(SUBJECT, without_provider) if plan.capability == "isolation"]
    assert condition and "users → shop/ledger (ledger in namespace shop does not exist" in condition.message


def test_audit_without_policies_and_ready() -> None:
    """In audit mode no policy and no probe exist, and Ready is True."""
    world = settled(SUBJECT, observed(peers=PEERS))
    assert not [ref for ref in world.objects if ref.kind == "NetworkPolicy"]
    status = report(Case(SUBJECT, world), reconcile(SUBJECT, world)).status
    by_type = {c["type"]: c for c in status["conditions"]}
    assert by_type["Ready"]["status"] == State.TRUE
    assert by_type["IsolationEnforced"]["status"] == State.FALSE
    assert "isolation" not in status


def test_audit_removed_creates_policies() -> None:
    """Without audit mode all network policies are planned."""
    world = settled(SUBJECT, observed(peers=PEERS))
    enforced = service(**{**SUBJECT.spec.model_dump(by_alias=True, exclude={"isolation"})})
    kinds = [body["kind"] for plan in reconcile(enforced, world) for body in plan.objects]
    assert kinds.count("NetworkPolicy") == 3
