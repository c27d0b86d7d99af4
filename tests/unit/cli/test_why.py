"""What a person may call a source and a target, and the answer in words."""

from __future__ import annotations

import pytest
from freehold.cli.commands import why
from freehold.core.isolation import reachability
from freehold.core.model.resources import Key
from freehold.views.errors import Failure

from tests.unit.cli.pictures import live, picture, printed, storefront, users
from tests.unit.core.worlds import DATABASE, GRPC

SHOP = picture(
    users(),
    storefront(),
    live("audit-db", grpc=GRPC, http={}, database=DATABASE),
    live("ledger", "accounts", grpc=GRPC, database=DATABASE),
)


@pytest.mark.parametrize(
    ("called", "meant"),
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
def test_what_a_target_may_be_called(called: str, meant: str) -> None:
    assert why.door(called, "shop", SHOP).full_name == meant
    assert why.namespace(called, "shop") == meant.partition("/")[0]


@pytest.mark.parametrize(
    ("called", "said"),
    [
        ("user", "there is no service user in namespace shop; did you mean users?"),
        ("zzz", "there is no service zzz in namespace shop"),
        ("ledger", "there is no service ledger in namespace shop; did you mean accounts/ledger?"),
        ("user-db", "there is no database user-db in namespace shop; did you mean users?"),
        ("users:80", "shop/users has no port 80; it has users:50051, users-database:5432"),
        ("storefront-database", "shop/storefront has no database; it has storefront:8080"),
    ],
)
def test_what_is_not_there_says_what_is(called: str, said: str) -> None:
    with pytest.raises(Failure) as raised:
        why.door(called, "shop", SHOP)
    assert raised.value.message == said


def answer(source: str, target: str) -> str:
    caller, door = why.source(source, "shop", SHOP), why.door(target, "shop", SHOP)
    verdict = reachability.verdict(caller, door, SHOP.services, SHOP.namespace_labels)
    return printed(why.text(caller, door, verdict))


OPEN = """\
Open  shop/storefront → users.shop.svc:50051
  ✓ declared  shop/storefront declares that it consumes shop/users (spec.consumes)
  ✓ consent   shop/users admits consumers from namespace shop (spec.grpc.consumers.from: SameNamespace)
  ✓ out       NetworkPolicy storefront in namespace shop lets it out
  ✓ in        NetworkPolicy users in namespace shop lets it in"""


def test_an_open_way_names_the_declaration_the_consent_and_both_policies() -> None:
    assert answer("storefront", "users") == OPEN


SHUT = """\
Refused  shop/storefront → ledger.accounts.svc:50051
  ✗ declared  shop/storefront does not declare that it consumes accounts/ledger (spec.consumes)
  ✗ consent   ledger in namespace accounts admits no consumers from namespace shop; its owner can add shop under \
spec.grpc.consumers
  ✗ out       NetworkPolicy storefront in namespace shop does not let it out
  ✗ in        NetworkPolicy ledger in namespace accounts does not let it in
Add {name: ledger, namespace: accounts} to spec.consumes of shop/storefront.
Set spec.grpc.consumers of accounts/ledger to {from: Selector, selector: {matchExpressions: [{key: \
kubernetes.io/metadata.name, operator: In, values: [accounts, shop]}]}}, or to {from: All}."""


def test_a_way_that_is_shut_says_what_to_write_where() -> None:
    assert answer("storefront", "accounts/ledger") == SHUT


REFUSED = """\
Refused  stranger → users-database.shop.svc:5432
  ✗ owner     the database of shop/users admits shop/users and its migrations alone (spec.database)
  ✗ in        NetworkPolicy users-database in namespace shop does not let it in
No field opens it: a database has one owner. What others need of its data, shop/users tells at its endpoint, \
users.shop.svc:50051."""


def test_a_database_is_refused_for_good() -> None:
    assert answer("stranger", "users-db") == REFUSED


def test_what_was_tried_and_found_otherwise_is_said() -> None:
    caller, door = why.source("storefront", "shop", SHOP), why.door("users-db", "shop", SHOP)
    verdict = reachability.verdict(caller, door, SHOP.services, SHOP.namespace_labels)
    assert "✗ proven    it was tried and found Open, so the cluster does not do" in printed(
        why.text(caller, door, verdict, "Open")
    )


def test_a_stranger_is_no_service_and_may_be_written_as_the_matrix_writes_it() -> None:
    assert why.source("(stranger)", "shop", SHOP) is None
    assert why.source("accounts/ledger", "shop", SHOP) is SHOP.services[Key("accounts", "ledger")]
    assert answer("users", "users").startswith("Not asked  shop/users → users.shop.svc:50051")


GATEWAY = """\
Refused  the proxies of Gateway gateways/public → users.shop.svc:50051
  ✗ exposed   shop/users is not exposed through the proxies of Gateway gateways/public (spec.grpc.expose)
  ✗ in        NetworkPolicy users in namespace shop does not let it in
Set spec.grpc.expose of shop/users to {gateway: {name: public, namespace: gateways}, hostnames: [NAME]}."""


@pytest.mark.parametrize("called", ["gateway gateways/public", "(gateway gateways/public)"])
def test_a_gateway_is_called_as_the_matrix_shows_it(called: str) -> None:
    assert answer(called, "users") == GATEWAY


def test_a_gateway_is_known_by_who_is_exposed_through_it() -> None:
    proxies = {"namespace": "envoy-gateway-system", "podLabels": {"app": "envoy"}}
    expose = {"gateway": {"name": "public"}, "hostnames": ["users.example.com"], "proxies": proxies}
    seen = picture(live("users", grpc={**GRPC, "expose": expose}))
    known = why.source("gateway public", "shop", seen)
    verdict = reachability.verdict(known, why.door("users", "shop", seen), seen.services, {})
    assert verdict and verdict.way is reachability.Access.OPEN
