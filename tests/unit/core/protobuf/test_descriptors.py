"""What can be a contract, and what is said of bytes that cannot."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from freehold.core.protobuf import descriptors
from freehold.core.protobuf.descriptors import ContractError, Idempotency
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
    """The contract of users with its own file edited."""
    listed = FileDescriptorSet.FromString(USERS)
    edit(listed.file[-1])
    return listed.SerializeToString()


def without(name: str) -> bytes:
    listed = FileDescriptorSet.FromString(USERS)
    return FileDescriptorSet(file=[one for one in listed.file if one.name != name]).SerializeToString()


def test_what_it_offers() -> None:
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


def test_what_comes_with_every_protobuf_may_be_left_out() -> None:
    assert len(descriptors.methods(descriptors.parse(without("google/protobuf/timestamp.proto")))) == 3


def test_the_order_of_the_files_does_not_matter() -> None:
    listed = FileDescriptorSet.FromString(USERS)
    backwards = FileDescriptorSet(file=list(reversed(listed.file)) * 2).SerializeToString()
    assert descriptors.methods(descriptors.parse(backwards)) == descriptors.methods(descriptors.parse(USERS))


def test_what_grpc_serves_beside_it_is_not_its_contract() -> None:
    with pytest.raises(ContractError, match="it offers no gRPC service"):
        descriptors.parse(HEALTH)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "it offers no gRPC service"),
        (b"no such thing", "these bytes are no google.protobuf.FileDescriptorSet"),
        (USERS[:-1], "these bytes are no google.protobuf.FileDescriptorSet"),
        (edited(lambda file: file.dependency.append("money.proto")), "users.proto imports money.proto, which is not"),
        (edited(lambda file: file.dependency.append(file.name)), "import each other in a circle"),
        (edited(lambda file: file.message_type.pop()), "does not stand: couldn't resolve name '.shop.users.v1.User'"),
        (edited(lambda file: file.message_type.add(name="User")), "duplicate symbol 'shop.users.v1.User'"),
        (
            edited(lambda file: file.message_type[1].field.add(name="age", number=1, type=5, label=1)),
            "duplicate field number",
        ),
        (USERS + edited(lambda file: file.service.pop()), "file users.proto is there twice, and not the same"),
    ],
)
def test_what_cannot_be_a_contract(raw: bytes, said: str) -> None:
    with pytest.raises(ContractError) as error:
        descriptors.parse(raw)
    assert said in str(error.value)


@given(at=st.integers(0, len(USERS) - 1), byte=st.integers(0, 255), length=st.integers(0, len(USERS)))
def test_damaged_bytes_are_refused_or_read_and_nothing_else(at: int, byte: int, length: int) -> None:
    damaged = bytearray(USERS)
    damaged[at] = byte
    for raw in (bytes(damaged[:length]), bytes(damaged)):
        with suppress(ContractError):
            descriptors.idempotency(descriptors.parse(raw))
