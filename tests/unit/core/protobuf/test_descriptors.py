"""Parsing of contracts, and the errors for invalid descriptors."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from freehold.core.protobuf import descriptors
from freehold.core.protobuf.descriptors import Idempotency
from freehold.core.protobuf.errors import ContractError
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.cases import compiled

USERS = compiled("""
syntax = "proto3"; package shop.users.v1; import "google/protobuf/timestamp.proto";
service UsersService {
  rpc PutUser(User) returns (User) { option idempotency_level = IDEMPOTENT; }
  rpc GetUser(GetUserRequest) returns (User) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc AddUser(User) returns (User);
}
message GetUserRequest { string id = 1; }
message User { string id = 1; google.protobuf.Timestamp created = 2; }
""")
HEALTH = compiled("""
syntax = "proto3"; package grpc.health.v1;
service Health { rpc Check(HealthCheckRequest) returns (HealthCheckRequest); }
message HealthCheckRequest { string service = 1; }
""")


def edited(edit: Callable[[FileDescriptorProto], object]) -> bytes:
    """The contract of users, the file users.proto edited."""
    listed = FileDescriptorSet.FromString(USERS)
    edit(listed.file[-1])
    return listed.SerializeToString()


def without(name: str) -> bytes:
    """The contract of users without one of the files."""
    listed = FileDescriptorSet.FromString(USERS)
    return FileDescriptorSet(file=[file for file in listed.file if file.name != name]).SerializeToString()


def test_parse_methods_and_idempotency() -> None:
    """A contract lists methods in order, and the idempotency level of each."""
    contract = descriptors.parse(USERS)
    assert descriptors.methods(contract) == (
        "shop.users.v1.UsersService/PutUser",
        "shop.users.v1.UsersService/GetUser",
        "shop.users.v1.UsersService/AddUser",
    )
    assert descriptors.idempotency(contract) == {
        "shop.users.v1.UsersService/PutUser": Idempotency.IDEMPOTENT,
        "shop.users.v1.UsersService/GetUser": Idempotency.NO_SIDE_EFFECTS,
        "shop.users.v1.UsersService/AddUser": Idempotency.UNKNOWN,
    }


def test_parse_without_well_known_files() -> None:
    """Files of protobuf itself may be missing."""
    assert len(descriptors.methods(descriptors.parse(without("google/protobuf/timestamp.proto")))) == 3


def test_parse_ignores_the_order_of_files() -> None:
    """Files may come in any order, and repeatedly."""
    listed = FileDescriptorSet.FromString(USERS)
    backwards = FileDescriptorSet(file=list(reversed(listed.file)) * 2).SerializeToString()
    assert descriptors.methods(descriptors.parse(backwards)) == descriptors.methods(descriptors.parse(USERS))


def test_parse_ignores_grpc_services() -> None:
    """Services of gRPC itself are not part of a contract."""
    with pytest.raises(ContractError, match="the descriptors contain no gRPC service"):
        descriptors.parse(HEALTH)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "the descriptors contain no gRPC service"),
        (b"no such thing", "the bytes are not a google.protobuf.FileDescriptorSet"),
        (USERS[:-1], "the bytes are not a google.protobuf.FileDescriptorSet"),
        (
            edited(lambda file: file.dependency.append("money.proto")),
            "users.proto imports money.proto, and the descriptors do not contain",
        ),
        (edited(lambda file: file.dependency.append(file.name)), "import each other in a circle"),
        (edited(lambda file: file.message_type.pop()), "is invalid: couldn't resolve name '.shop.users.v1.User'"),
        (edited(lambda file: file.message_type.add(name="User")), "duplicate symbol 'shop.users.v1.User'"),
        (
            edited(lambda file: file.message_type[1].field.add(name="age", number=1, type=5, label=1)),
            "duplicate field number",
        ),
        (USERS + edited(lambda file: file.service.pop()), "file users.proto occurs twice with different content"),
    ],
)
def test_parse_error(raw: bytes, message: str) -> None:
    """Invalid descriptors raise a ContractError with the cause."""
    with pytest.raises(ContractError) as error:
        descriptors.parse(raw)
    assert message in str(error.value)


@given(at=st.integers(0, len(USERS) - 1), byte=st.integers(0, 255), length=st.integers(0, len(USERS)))
def test_parse_damaged_bytes(at: int, byte: int, length: int) -> None:
    """Damaged bytes raise a ContractError or can be read."""
    damaged = bytearray(USERS)
    damaged[at] = byte
    for raw in (bytes(damaged[:length]), bytes(damaged)):
        with suppress(ContractError):
            descriptors.idempotency(descriptors.parse(raw))
