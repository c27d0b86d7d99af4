"""Condition DependenciesResolved for declared methods."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from freehold.core import dependencies
from freehold.core.model.case import Case
from freehold.core.model.resources import Peer, Ref, Service

from tests import offered
from tests.unit.core.worlds import objects_of, observed, peer, peers, reconcile
from tests.unit.core.worlds import service as declared


def provider(contract: bytes) -> Peer:
    """users, with a published contract."""
    return replace(peer("users"), contract=contract)


def consumer(*methods: str) -> Service:
    """payments, which declares methods of users."""
    return declared("payments", consumes=[{"name": "users", "methods": list(methods)}])


@pytest.mark.parametrize(
    ("title", "contract", "methods", "message"),
    [
        ("no method declared", offered.users(), (), ""),
        ("unknown contract", b"", ("a.B/C",), ""),
        ("unreadable contract", b"\xff", ("a.B/C",), ""),
        ("all methods offered", offered.users(), (offered.GET_USER, "shop.users.v1.UsersService/*"), ""),
        (
            "misspelled method",
            offered.users(),
            ("shop.users.v1.UsersService/GetUsers",),
            "users in namespace shop offers no method shop.users.v1.UsersService/GetUsers; did you mean "
            "shop.users.v1.UsersService/GetUser or shop.users.v1.UsersService/CountUsers",
        ),
        (
            "misspelled service",
            offered.users(),
            ("shop.users.v2.UsersService/*",),
            "users in namespace shop offers no method shop.users.v2.UsersService/*; did you mean "
            "shop.users.v1.UsersService/* or shop.users.v1.UsersService/GetUser",
        ),
        (
            "no similar method",
            offered.users(),
            ("x.Y/Z",),
            "users in namespace shop offers no method x.Y/Z; offered: shop.users.v1.UsersService/RegisterUser, "
            "shop.users.v1.UsersService/GetUser, shop.users.v1.UsersService/CountUsers",
        ),
    ],
)
def test_methods_that_are_not_offered(title: str, contract: bytes, methods: tuple[str, ...], message: str) -> None:
    """A declared method that the provider does not offer is named, with similar methods."""
    seen = observed(peers=peers(provider(contract)))
    found = dependencies.plan(Case(consumer(*methods), seen)).condition
    assert found
    expected = ("MethodNotFound", message) if message else ("Resolved", "consumes users")
    assert (found.reason, found.message) == expected, title
    policy = objects_of(reconcile(consumer(*methods), seen))[Ref("NetworkPolicy", "payments")]
    assert "users" in json.dumps(policy["spec"]["egress"]), "the network policy admits the call all the same"
