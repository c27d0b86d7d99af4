"""Contracts for tests: one of users, changed as a team would change it, and what a reader says of it."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

from freehold.agents import contract_reader
from google.protobuf import timestamp_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

USERS = "shop/users/v1/users.proto"
TEXT = """
syntax = "proto3";
package shop.users.v1;
import "google/protobuf/timestamp.proto";

service UsersService {
  rpc RegisterUser(RegisterUserRequest) returns (User) { option idempotency_level = IDEMPOTENT; }
  rpc GetUser(GetUserRequest) returns (User) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc CountUsers(CountUsersRequest) returns (CountUsersResponse);
}

message User {
  string id = 1;
  string name = 2;
  string email = 3;
  google.protobuf.Timestamp create_time = 4;
}

message RegisterUserRequest {
  string name = 1;
  string email = 2;
}

message GetUserRequest {
  string id = 1;
}

message CountUsersRequest {}

message CountUsersResponse {
  int64 count = 1;
}
"""
"""What users offers, in short; the shop's own may grow without a word here."""
GET_USER = "shop.users.v1.UsersService/GetUser"
COUNT_USERS = "shop.users.v1.UsersService/CountUsers"
EMAIL = "string email = 3;"
"""Of message User, which CountUsers does not show."""


@cache
def users(without: str = "", instead: str = "") -> bytes:
    """What users offers, as a reader gives it: a FileDescriptorSet, one piece of the text replaced."""
    assert without in TEXT
    return compiled(USERS, TEXT.replace(without, instead) if without else TEXT)


def compiled(name: str, text: str) -> bytes:
    """A file and all it needs but what everybody knows."""
    with TemporaryDirectory() as folder:
        source, out = Path(folder, name), Path(folder, "out")
        source.parent.mkdir(parents=True)
        source.write_text(text)
        known = files("grpc_tools").joinpath("_proto")
        asked = ["protoc", f"-I{folder}", f"-I{known}", f"--descriptor_set_out={out}", str(source)]
        assert protoc.main(asked) == 0, text
        return FileDescriptorSet.FromString(out.read_bytes()).SerializeToString(deterministic=True)


def known() -> bytes:
    """The file that users needs and everybody knows."""
    file = FileDescriptorProto()
    timestamp_pb2.DESCRIPTOR.CopyToProto(file)
    return FileDescriptorSet(file=[file]).SerializeToString()


def answer(contract: bytes, part: int = 0, parts: int = 1) -> str:
    """A reader's termination message."""
    return json.dumps(contract_reader.answer(contract, part, parts))
