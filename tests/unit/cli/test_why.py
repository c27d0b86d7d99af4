"""Command `why`: names of sources and targets, and the explanation of a verdict."""

from __future__ import annotations

import pytest
from freehold.cli.commands import why
from freehold.core.isolation import reachability
from freehold.core.model.resources import Key
from freehold.views import lookup
from freehold.views.errors import Failure

from tests.unit.cli.samples import live, printed, snapshot, storefront, users
from tests.unit.core.worlds import DATABASE, GRPC

SHOP = snapshot(
    users(),
    storefront(),
    live("audit-db", grpc=GRPC, http={}, database=DATABASE),
    live("ledger", "accounts", grpc=GRPC, database=DATABASE),
)


@pytest.mark.parametrize(
    ("name", "port"),
    [
        ("users", "shop/users:50051"),
        ("users:50051", "shop/users:50051"),
        ("users-database", "shop/users-database:5432"),
        ("users-db", "shop/users-database:5432"),
        ("users-database:5432", "shop/users-database:5432"),
        ("users:5432", "shop/users-database:5432"),
        ("storefront", "shop/storefront:8080"),
        ("audit-db", "shop/audit-db:50051"),
        ("audit-db:8080", "shop/audit-db:8080"),
        ("audit-db-db", "shop/audit-db-database:5432"),
        ("accounts/ledger", "accounts/ledger:50051"),
        ("accounts/ledger-db", "accounts/ledger-database:5432"),
        ("ledger.accounts.svc:50051", "accounts/ledger:50051"),
        ("ledger-database.accounts.svc.cluster.local", "accounts/ledger-database:5432"),
    ],
)
def test_target_names(name: str, port: str) -> None:
    """A target is the name of a service, a database or a port, or a DNS name."""
    assert lookup.find_port(name, "shop", SHOP).full_name == port
    assert lookup.namespace_of(name, "shop") == port.partition("/")[0]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("user", "service user does not exist in namespace shop; did you mean users?"),
        ("zzz", "service zzz does not exist in namespace shop"),
        ("ledger", "service ledger does not exist in namespace shop; did you mean accounts/ledger?"),
        ("user-db", "database user-db does not exist in namespace shop; did you mean users?"),
        ("users:80", "shop/users has no port 80; it has users:50051, users-database:5432"),
        ("storefront-database", "shop/storefront has no database; it has storefront:8080"),
    ],
)
def test_target_missing_suggests_names(name: str, message: str) -> None:
    """The refusal of an unknown name contains similar names or the available ports."""
    with pytest.raises(Failure) as raised:
        lookup.find_port(name, "shop", SHOP)
    assert raised.value.message == message


def answer(source: str, target: str) -> str:
    """The printed explanation for names in namespace shop."""
    caller, port = lookup.find_source(source, "shop", SHOP), lookup.find_port(target, "shop", SHOP)
    verdict = reachability.verdict(caller, port, SHOP.services, SHOP.namespace_labels)
    return printed(why.text(caller, port, verdict))


OPEN = """\
Open  shop/storefront → users.shop.svc:50051
  ✓ declared  shop/storefront declares that it consumes shop/users (spec.consumes)
  ✓ consent   shop/users admits consumers from namespace shop (spec.grpc.consumers.from: SameNamespace)
  ✓ out       NetworkPolicy storefront in namespace shop lets it out
  ✓ in        NetworkPolicy users in namespace shop lets it in"""


def test_why_open_lists_all_grounds() -> None:
    """An open connection lists the declaration, the consent and both network policies."""
    assert answer("storefront", "users") == OPEN


CLOSED = """\
Refused  shop/storefront → ledger.accounts.svc:50051
  ✗ declared  shop/storefront does not declare that it consumes accounts/ledger (spec.consumes)
  ✗ consent   ledger in namespace accounts admits no consumers from namespace shop; its owner can add shop under \
spec.grpc.consumers
  ✗ out       NetworkPolicy storefront in namespace shop does not let it out
  ✗ in        NetworkPolicy ledger in namespace accounts does not let it in
Add {name: ledger, namespace: accounts} to spec.consumes of shop/storefront.
Set spec.grpc.consumers of accounts/ledger to {from: Selector, selector: {matchExpressions: [{key: \
kubernetes.io/metadata.name, operator: In, values: [accounts, shop]}]}}, or to {from: All}."""


def test_why_closed_names_fields_to_change() -> None:
    """A closed connection is followed by the fields that open it."""
    assert answer("storefront", "accounts/ledger") == CLOSED


REFUSED = """\
Refused  unmanaged → users-database.shop.svc:5432
  ✗ owner     the database of shop/users admits shop/users and its migrations alone (spec.database)
  ✗ in        NetworkPolicy users-database in namespace shop does not let it in
No field opens it: a database has one owner. What others need of its data, shop/users tells at its endpoint, \
users.shop.svc:50051."""


def test_why_database_unmanaged_pod() -> None:
    """No field opens a database to other pods."""
    assert answer("unmanaged", "users-db") == REFUSED


def test_why_shows_differing_verification() -> None:
    """A connection attempt with another verdict is named with its cause and the action."""
    caller, port = lookup.find_source("storefront", "shop", SHOP), lookup.find_port("users-db", "shop", SHOP)
    verdict = reachability.verdict(caller, port, SHOP.services, SHOP.namespace_labels)
    assert "✗ verified  a connection attempt found Open; the cluster does not enforce" in printed(
        why.text(caller, port, verdict, "Open")
    )


def test_source_names() -> None:
    """A source is a service, or an unmanaged pod as written in the matrix."""
    assert lookup.find_source("(unmanaged)", "shop", SHOP) is None
    assert lookup.find_source("unmanaged", "shop", SHOP) is None
    assert lookup.find_source("accounts/ledger", "shop", SHOP) is SHOP.services[Key("accounts", "ledger")]
    assert answer("users", "users").startswith("Not applicable  shop/users → users.shop.svc:50051")


GATEWAY = """\
Refused  the proxies of Gateway gateways/public → users.shop.svc:50051
  ✗ exposed   shop/users is not exposed through the proxies of Gateway gateways/public (spec.grpc.expose)
  ✗ in        NetworkPolicy users in namespace shop does not let it in
Set spec.grpc.expose of shop/users to {gateway: {name: public, namespace: gateways}, hostnames: [NAME]}."""


@pytest.mark.parametrize("name", ["gateway gateways/public", "(gateway gateways/public)"])
def test_source_gateway_as_in_matrix(name: str) -> None:
    """The proxies of a Gateway are named as in the matrix."""
    assert answer(name, "users") == GATEWAY


def test_source_gateway_known_by_exposed_service() -> None:
    """The proxies of a Gateway are those in spec.grpc.expose of an exposed service."""
    proxies = {"namespace": "envoy-gateway-system", "podLabels": {"app": "envoy"}}
    expose = {"gateway": {"name": "public"}, "hostnames": ["users.example.com"], "proxies": proxies}
    seen = snapshot(live("users", grpc={**GRPC, "expose": expose}))
    known = lookup.find_source("gateway public", "shop", seen)
    verdict = reachability.verdict(known, lookup.find_port("users", "shop", seen), seen.services, {})
    assert verdict and verdict.way is reachability.Access.OPEN
