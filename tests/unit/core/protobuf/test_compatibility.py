"""Two contracts compared, by a corpus of changes each of which is taken from a published rule."""

from __future__ import annotations

import pytest
from freehold.core.protobuf import compatibility

from tests.contracts import cases
from tests.contracts.cases import Case


@pytest.mark.parametrize("case", cases.read(), ids=lambda case: case.id)
def test_corpus(case: Case) -> None:
    before, after = (compatibility.parse(cases.compiled(text)) for text in (case.before, case.after))
    uses = None if case.uses is None else [f"shop.users.v1.UsersService/{method}" for method in case.uses]
    found = compatibility.breaks(before, after, uses)
    assert sorted({f"{one.rule} {one.element}" for one in found}) == sorted(case.breaks), found
    assert len(found) == len({(one.method, one.rule, one.element) for one in found}), found
    if case.says:
        assert case.says in {one.message for one in found}
    if case.through:
        assert {one.method.rpartition("/")[2] for one in found} == set(case.through if case.breaks else ())


def test_the_table_lists_the_corpus() -> None:
    assert cases.TABLE.read_text() == cases.table(), "run python -m tests.contracts.cases"


def test_the_corpus_holds_both_verdicts() -> None:
    listed = cases.read()
    breaking = [case for case in listed if case.breaks]
    assert len(listed) >= 60 and len(breaking) >= 40 and len(breaking) < len(listed)


@pytest.mark.parametrize("case", cases.read(), ids=lambda case: case.id)
def test_nothing_breaks_those_who_stay(case: Case) -> None:
    for text in (case.before, case.after):
        contract = compatibility.parse(cases.compiled(text))
        assert compatibility.breaks(contract, contract) == ()
        assert compatibility.changes(contract, contract) == ()


BEFORE = """
syntax = "proto3"; package shop.users.v1;
service UsersService { rpc GetUser(GetUserRequest) returns (User); rpc PutUser(User) returns (User); }
message GetUserRequest { string id = 1; }
message User { string id = 1; string mail = 2; int32 age = 3; string token = 4; Tier tier = 5; string note = 6; }
enum Tier { TIER_UNSPECIFIED = 0; }
"""
AFTER = """
syntax = "proto3"; package shop.users.v1;
service UsersService { rpc GetUser(GetUserRequest) returns (User); rpc PutUser(User) returns (User);
  rpc DropUser(GetUserRequest) returns (User); }
message GetUserRequest { string id = 1; }
message User { string id = 1; string email = 2; int64 age = 3; bytes token = 4; Tier tier = 5; string phone = 7; }
enum Tier { TIER_UNSPECIFIED = 0; TIER_GOLD = 1; }
"""


def test_changes_are_told_with_whom_they_concern() -> None:
    before, after = (compatibility.parse(cases.compiled(text)) for text in (BEFORE, AFTER))
    get, put, drop = (f"shop.users.v1.UsersService/{one}" for one in ("GetUser", "PutUser", "DropUser"))
    told = [(one.rule, one.message, one.methods) for one in compatibility.changes(before, after)]
    user = "of shop.users.v1.User"
    assert told == [
        ("FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED", f"field 6 'note' {user} is gone", (get, put)),
        ("FIELD_WIRE_COMPATIBLE_TYPE", f"field 4 'token' {user} was string, is bytes", (get, put)),
        ("", f"field 2 'mail' {user} is called 'email'", (get, put)),
        ("", f"field 7 'phone' {user} is new", (get, put)),
        ("", f"field 3 'age' {user} was int32, is int64", (get, put)),
        ("", "value 1 'TIER_GOLD' of shop.users.v1.Tier is new", (get, put)),
        ("", f"method {drop} is new", ()),
    ]


def test_a_method_may_be_named_as_grpc_names_its_path() -> None:
    before, after = (compatibility.parse(cases.compiled(text)) for text in (BEFORE, AFTER))
    found = compatibility.breaks(before, after, {"/shop.users.v1.UsersService/GetUser"})
    assert {one.method for one in found} == {"shop.users.v1.UsersService/GetUser"}


def test_what_moved_is_told_once() -> None:
    before, after = (
        compatibility.parse(cases.compiled(text)) for text in (BEFORE, BEFORE.replace("note = 6", "note = 9"))
    )
    told = [one.message for one in compatibility.changes(before, after)]
    assert told == ["field 'note' of shop.users.v1.User is renumbered from 6 to 9"]
