"""Condition DependenciesResolved for declared methods."""

from __future__ import annotations

import json
from dataclasses import replace
from difflib import get_close_matches
from importlib import import_module

import pytest
from freehold.core import dependencies
from freehold.core.dependencies.plan import CANDIDATES, MAX_LETTERS
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


def test_suggestions_are_few_and_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many methods are misspelled and offered, three are explained, each compared with a bounded number."""
    compared: list[int] = []

    def counted(word: str, names: list[str], n: int) -> list[str]:
        compared.append(len(word) * sum(map(len, names)))
        return get_close_matches(word, names, n=n)

    monkeypatch.setattr(import_module("freehold.core.dependencies.plan"), "get_close_matches", counted)
    methods = "".join(f"rpc GetUserById{n:05}(Empty) returns (Empty);" for n in range(1990))
    text = f'syntax = "proto3"; package a; message Empty {{}} service S {{ {methods} }}'
    contract = offered.compiled("a/a.proto", f"{text} service {'L' * 120} {{ rpc Do(Empty) returns (Empty); }}")
    seen = observed(peers=peers(provider(contract)))
    found = dependencies.plan(Case(consumer(*(f"a.S/GetUserByld{n:05}" for n in range(64))), seen)).condition
    assert found and found.message.count("; did you mean a.S/GetUserById") == 3
    assert len(compared) == 3 and max(compared) <= CANDIDATES * MAX_LETTERS**2
    found = dependencies.plan(Case(consumer(f"a.{'L' * 120}/Da"), seen)).condition
    assert found and "; offered: " in found.message, "a long name has no suggestion"
