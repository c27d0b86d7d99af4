"""Comparison of two contracts, by a corpus of changes from published rules."""

from __future__ import annotations

import pytest
from freehold.core.protobuf import compatibility

from tests.contracts import cases
from tests.contracts.cases import Case


@pytest.mark.parametrize("case", cases.read(), ids=lambda case: case.id)
def test_breaks_corpus(case: Case) -> None:
    """Each change of the corpus yields exactly the listed breaks."""
    before, after = (compatibility.parse(cases.compiled(text)) for text in (case.before, case.after))
    uses = None if case.uses is None else [f"shop.users.v1.UsersService/{method}" for method in case.uses]
    breaks = compatibility.breaks(before, after, uses)
    assert sorted({f"{each.rule} {each.element}" for each in breaks}) == sorted(case.breaks), breaks
    assert len(breaks) == len({(each.method, each.rule, each.element) for each in breaks}), breaks
    if case.says:
        assert case.says in {each.message for each in breaks}
    if case.through:
        assert {each.method.rpartition("/")[2] for each in breaks} == set(case.through if case.breaks else ())


def test_corpus_table_is_current() -> None:
    """CASES.md lists the whole corpus."""
    assert cases.TABLE.read_text() == cases.table(), "run python -m tests.contracts.cases"


def test_corpus_has_both_verdicts() -> None:
    """The corpus has enough breaking and compatible changes."""
    listed = cases.read()
    breaking = [case for case in listed if case.breaks]
    assert len(listed) >= 60 and len(breaking) >= 40 and len(breaking) < len(listed)


@pytest.mark.parametrize("case", cases.read(), ids=lambda case: case.id)
def test_breaks_none_for_the_same_contract(case: Case) -> None:
    """A contract compared with itself has neither breaks nor changes."""
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


def test_changes_name_the_methods() -> None:
    """Changes name the methods that they affect, breaking changes first."""
    before, after = (compatibility.parse(cases.compiled(text)) for text in (BEFORE, AFTER))
    get, put, drop = (f"shop.users.v1.UsersService/{method}" for method in ("GetUser", "PutUser", "DropUser"))
    changes = [(change.rule, change.message, change.methods) for change in compatibility.changes(before, after)]
    user = "of shop.users.v1.User"
    assert changes == [
        ("FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED", f"field 6 'note' {user} is gone", (get, put)),
        ("FIELD_WIRE_COMPATIBLE_TYPE", f"field 4 'token' {user} was string, is bytes", (get, put)),
        ("", f"field 2 'mail' {user} is called 'email'", (get, put)),
        ("", f"field 7 'phone' {user} is new", (get, put)),
        ("", f"field 3 'age' {user} was int32, is int64", (get, put)),
        ("", "value 1 'TIER_GOLD' of shop.users.v1.Tier is new", (get, put)),
        ("", f"method {drop} is new", ()),
    ]


def test_breaks_accepts_grpc_paths() -> None:
    """A method may be given with gRPC's leading slash."""
    before, after = (compatibility.parse(cases.compiled(text)) for text in (BEFORE, AFTER))
    breaks = compatibility.breaks(before, after, {"/shop.users.v1.UsersService/GetUser"})
    assert {each.method for each in breaks} == {"shop.users.v1.UsersService/GetUser"}


def test_changes_report_a_renumbering_once() -> None:
    """A renumbered field is one change, not a removal and an addition."""
    before, after = (
        compatibility.parse(cases.compiled(text)) for text in (BEFORE, BEFORE.replace("note = 6", "note = 9"))
    )
    messages = [change.message for change in compatibility.changes(before, after)]
    assert messages == ["field 'note' of shop.users.v1.User is renumbered from 6 to 9"]
