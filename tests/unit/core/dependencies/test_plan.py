"""A consumer that declares a method which its provider does not offer."""

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
    return replace(peer("users"), contract=contract)


def consumer(*methods: str) -> Service:
    return declared("payments", consumes=[{"name": "users", "methods": list(methods)}])


@pytest.mark.parametrize(
    ("says", "contract", "methods", "words"),
    [
        ("none is declared", offered.users(), (), ""),
        ("it is not known what is offered", b"", ("a.B/C",), ""),
        ("what is published cannot be read", b"\xff", ("a.B/C",), ""),
        ("all are there", offered.users(), (offered.GET_USER, "shop.users.v1.UsersService/*"), ""),
        (
            "one is written wrongly",
            offered.users(),
            ("shop.users.v1.UsersService/GetUsers",),
            "users in namespace shop offers no method shop.users.v1.UsersService/GetUsers; did you mean "
            "shop.users.v1.UsersService/GetUser or shop.users.v1.UsersService/CountUsers",
        ),
        (
            "a service is written wrongly",
            offered.users(),
            ("shop.users.v2.UsersService/*",),
            "users in namespace shop offers no method shop.users.v2.UsersService/*; did you mean "
            "shop.users.v1.UsersService/* or shop.users.v1.UsersService/GetUser",
        ),
        (
            "nothing is near",
            offered.users(),
            ("x.Y/Z",),
            "users in namespace shop offers no method x.Y/Z; it offers shop.users.v1.UsersService/RegisterUser, "
            "shop.users.v1.UsersService/GetUser, shop.users.v1.UsersService/CountUsers",
        ),
    ],
)
def test_a_method_that_is_not_offered_is_named(
    says: str, contract: bytes, methods: tuple[str, ...], words: str
) -> None:
    seen = observed(peers=peers(provider(contract)))
    said = dependencies.plan(Case(consumer(*methods), seen)).condition
    assert said
    assert (said.reason, said.message) == (("MethodNotFound", words) if words else ("Resolved", "consumes users")), says
    policy = objects_of(reconcile(consumer(*methods), seen))[Ref("NetworkPolicy", "payments")]
    assert "users" in json.dumps(policy["spec"]["egress"]), "the wall opens all the same"
