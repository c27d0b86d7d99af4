"""Commands `contract show` and `contract diff`: as text and as documents."""

from __future__ import annotations

from typing import Any

import pytest
from freehold.cli.commands.contract import differences_text, offer_text
from freehold.core.model.resources import Key
from freehold.views import contract
from freehold.views.contract import Offer
from freehold.views.errors import Failure

from tests.contracts.cases import compiled
from tests.unit.cli.samples import live, printed, snapshot, users

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
NOW = contract.parse_offer(compiled(TEXT), "users:1")


def changed(before: str, after: str) -> Offer:
    """The offer of users:2, with a text of the contract replaced."""
    assert before in TEXT
    return contract.parse_offer(compiled(TEXT.replace(before, after)), "users:2")


def consumer(name: str, home: str = "shop", **consumed: Any) -> Any:
    """A service that consumes users."""
    return live(name, home, http={"port": 8080}, consumes=[{"name": "users", **consumed}])


WORLD = snapshot(
    users(),
    consumer("storefront"),
    consumer("reports", methods=[f"{USERS}/Watch"]),
    consumer("outsider", "sales", namespace="shop"),
    live("other", http={"port": 8080}),
)
SERVICE = WORLD.services[Key("shop", "users")]
CALLERS = contract.callers(SERVICE, WORLD, NOW)


def test_callers_declared_and_admitted() -> None:
    """Callers are the services that declare to consume the provider and are admitted."""
    assert list(CALLERS.items()) == [(Key("shop", "storefront"), None), (Key("shop", "reports"), (f"{USERS}/Watch",))]


def test_contract_show() -> None:
    """Every method is listed with messages, idempotency and callers."""
    assert printed(offer_text(SERVICE, NOW, CALLERS)) == (
        "shop/users offers, as read from users:1\n"
        "\n"
        "shop.users.v1.UsersService\n"
        "  METHOD    REQUEST          RESPONSE                IDEMPOTENT       CALLED BY\n"
        "  GetUser   GetUserRequest   User                    yes, read-only   storefront\n"
        "  AddUser   User             google.protobuf.Empty   no               storefront\n"
        "  Watch     GetUserRequest   stream User             yes              storefront, reports"
    )


def test_contract_diff_names_broken_consumers() -> None:
    """A breaking change is listed with its rule and the broken consumers."""
    other = changed("string email = 2;", "string phone = 3;")
    found = contract.differences(NOW, other, CALLERS)
    assert printed(differences_text(SERVICE, NOW, other, found)) == (
        "shop/users: users:1 serves, compared with users:2\n"
        "  ✗ field 2 'email' of shop.users.v1.User is gone  (FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED)\n"
        f"      breaks storefront, reports, through {USERS}/GetUser, {USERS}/AddUser, {USERS}/Watch\n"
        "  + field 3 'phone' of shop.users.v1.User is new\n"
        "Breaks reports, storefront"
    )


def test_contract_diff_undeclared_method() -> None:
    """A change of a method without declared callers breaks no consumer."""
    other = changed("rpc AddUser(User) returns (google.protobuf.Empty);", "")
    watchers = {key: calls for key, calls in CALLERS.items() if calls}
    found = contract.differences(NOW, other, watchers)
    assert printed(differences_text(SERVICE, NOW, other, found)) == (
        "shop/users: users:1 serves, compared with users:2\n"
        f"  ! method {USERS}/AddUser is gone  (RPC_NO_DELETE)\n"
        f"      breaks no declared consumer, through {USERS}/AddUser\n"
        "Breaks no consumer"
    )


@pytest.mark.parametrize(("other", "text"), [(NOW, "No changes"), (None, "and is the image in spec.image")])
def test_contract_diff_without_changes(other: Offer | None, text: str) -> None:
    """Equal contracts, and a missing second contract, are reported."""
    assert printed(differences_text(SERVICE, NOW, other, ())).count(text) == 1


def test_contract_documents() -> None:
    """The documents have the same contents as the texts."""
    other = changed("string email = 2;", "string email = 2; string phone = 3;")
    found = contract.differences(NOW, other, CALLERS)
    assert contract.differences_content(SERVICE, NOW, other, found) == {
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
    document = contract.content(SERVICE, NOW, CALLERS)
    assert document["methods"][2] == {
        "method": f"{USERS}/Watch",
        "request": "shop.users.v1.GetUserRequest",
        "response": "shop.users.v1.User",
        "clientStreaming": False,
        "serverStreaming": True,
        "idempotency": "IDEMPOTENT",
        "calledBy": ["shop/storefront", "shop/reports"],
    }


def test_contract_file_invalid() -> None:
    """A file without a descriptor set is refused with its name."""
    with pytest.raises(Failure, match=r"users.binpb holds no contract: the bytes are not"):
        contract.parse_offer(b"no such thing", "users.binpb")
