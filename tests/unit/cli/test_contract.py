"""What a service offers, and what would change for those who call it, as a person reads it."""

from __future__ import annotations

from typing import Any

import pytest
from freehold.cli.commands import contract
from freehold.cli.commands.contract import Offer
from freehold.core.model.resources import Key
from freehold.core.protobuf.compatibility import parse
from freehold.views.errors import Failure

from tests.contracts.cases import compiled
from tests.unit.cli.pictures import live, picture, printed, users

USERS = "shop.users.v1.UsersService"
TEXT = """
syntax = "proto3"; package shop.users.v1; import "google/protobuf/empty.proto";
service UsersService {
  rpc GetUser(GetUserRequest) returns (User) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc AddUser(User) returns (google.protobuf.Empty);
  rpc Watch(GetUserRequest) returns (stream User) { option idempotency_level = IDEMPOTENT; }
}
message GetUserRequest { string id = 1; }
message User { string id = 1; string email = 2; }
"""
NOW = Offer("users:1", parse(compiled(TEXT)))


def changed(was: str, now: str) -> Offer:
    assert was in TEXT
    return Offer("users:2", parse(compiled(TEXT.replace(was, now))))


def consumer(name: str, home: str = "shop", **consumed: Any) -> Any:
    return live(name, home, http={"port": 8080}, consumes=[{"name": "users", **consumed}])


WORLD = picture(
    users(),
    consumer("storefront"),
    consumer("reports", methods=[f"{USERS}/Watch"]),
    consumer("stranger", "sales", namespace="shop"),
    live("other", http={"port": 8080}),
)
SERVICE = WORLD.services[Key("shop", "users")]
CALLERS = contract.callers(SERVICE, WORLD, NOW.contract)


def test_callers_are_those_that_declare_it_and_are_admitted() -> None:
    assert list(CALLERS.items()) == [(Key("shop", "storefront"), None), (Key("shop", "reports"), (f"{USERS}/Watch",))]


def test_what_is_offered() -> None:
    assert printed(contract.offered(SERVICE, NOW, CALLERS)) == (
        "shop/users offers, as read from users:1\n"
        "\n"
        "shop.users.v1.UsersService\n"
        "  METHOD    TAKES            GIVES                   MAY BE REPEATED      CALLED BY\n"
        "  GetUser   GetUserRequest   User                    yes, it only reads   storefront\n"
        "  AddUser   User             google.protobuf.Empty   no                   storefront\n"
        "  Watch     GetUserRequest   stream User             yes                  storefront, reports"
    )


def test_a_change_is_told_with_whom_it_breaks() -> None:
    other = changed("string email = 2;", "string phone = 3;")
    found = contract.differences(NOW.contract, other.contract, CALLERS)
    assert printed(contract.text(SERVICE, NOW, other, found)) == (
        "shop/users: users:1 serves, compared with users:2\n"
        "  ✗ field 2 'email' of shop.users.v1.User is gone  (FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED)\n"
        f"      breaks storefront, reports, through {USERS}/GetUser, {USERS}/AddUser, {USERS}/Watch\n"
        "  + field 3 'phone' of shop.users.v1.User is new\n"
        "It breaks reports, storefront"
    )


def test_what_nobody_declared_to_call_breaks_nobody() -> None:
    other = changed("rpc AddUser(User) returns (google.protobuf.Empty);", "")
    watchers = {key: calls for key, calls in CALLERS.items() if calls}
    found = contract.differences(NOW.contract, other.contract, watchers)
    assert printed(contract.text(SERVICE, NOW, other, found)) == (
        "shop/users: users:1 serves, compared with users:2\n"
        f"  ! method {USERS}/AddUser is gone  (RPC_NO_DELETE)\n"
        f"      breaks nobody who is declared, through {USERS}/AddUser\n"
        "It breaks no consumer"
    )


@pytest.mark.parametrize(("other", "said"), [(NOW, "They are the same"), (None, "and no other image waits")])
def test_nothing_changes(other: Offer | None, said: str) -> None:
    assert printed(contract.text(SERVICE, NOW, other, ())).count(said) == 1


def test_programs_are_told_the_same() -> None:
    other = changed("string email = 2;", "string email = 2; string phone = 3;")
    found = contract.differences(NOW.contract, other.contract, CALLERS)
    assert contract.difference_content(SERVICE, NOW, other, found) == {
        "service": "shop/users",
        "serves": "users:1",
        "comparedWith": "users:2",
        "changes": [
            {
                "element": "shop.users.v1.User.phone",
                "rule": None,
                "message": "field 3 'phone' of shop.users.v1.User is new",
                "methods": [f"{USERS}/GetUser", f"{USERS}/AddUser", f"{USERS}/Watch"],
                "breaks": [],
            }
        ],
    }
    told = contract.content(SERVICE, NOW, CALLERS)
    assert told["methods"][2] == {
        "method": f"{USERS}/Watch",
        "request": "shop.users.v1.GetUserRequest",
        "response": "shop.users.v1.User",
        "clientStreaming": False,
        "serverStreaming": True,
        "idempotency": "IDEMPOTENT",
        "calledBy": ["shop/storefront", "shop/reports"],
    }


def test_a_file_that_holds_no_contract() -> None:
    with pytest.raises(Failure, match=r"users.binpb holds no contract: these bytes are no"):
        contract.parsed(b"no such thing", "users.binpb")
