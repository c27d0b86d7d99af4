"""The reader: what the service beside it offers.

    python3 -m freehold.agents.contract_reader 50051 0 1

Asks the service at that port of its own pod by gRPC Server Reflection (v1, and v1alpha of those who know no other), and
answers with the descriptors of all it offers: a FileDescriptorSet, compressed, as text in a line of JSON, its
container's termination message. The numbers after the port say which part of how many to answer with; what does not fit
into so many says how many it takes. What everybody knows is left out: google/protobuf/*, gRPC's own services, comments.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import time
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from freehold.core.protobuf.descriptors import INFRASTRUCTURE, WELL_KNOWN

ANSWER = Path("/dev/termination-log")
METHODS = tuple(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo" for version in ("v1", "v1alpha"))
"""Their messages are the same on the wire."""
PATIENCE_SECONDS = 40.0
CALL_SECONDS = 10.0
PAUSE_SECONDS = 0.2
MAX_PARTS = 3
MAX_FILES = 2000
MAX_BYTES = 512 * 1024
"""Bytes of a contract."""
IN_A_POD, IN_A_CONTAINER, AROUND = 12 * 1024, 4096, 96
"""Bytes of a termination message that the kubelet keeps: of a pod's containers together, divided evenly (also for the
service itself), and of one. AROUND: what an answer needs beside the contract."""
MAX_MESSAGE = 600
"""Characters of what a service answered that are repeated."""
OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
)
UNREADABLE, INVALID = "ContractUnreadable", "ContractInvalid"


class FaultError(Exception):
    """Why there is no contract. kind: UNREADABLE or INVALID. again: whether another time it may be otherwise."""

    def __init__(self, kind: str, said: str, *, again: bool = False) -> None:
        super().__init__(said)
        self.kind = kind
        self.again = again


def main() -> None:
    port, part, parts = map(int, sys.argv[1:])
    try:
        said = answer(read(port), part, parts)
    except FaultError as fault:
        said = {"fault": fault.kind, "said": str(fault)[:MAX_MESSAGE], "again": fault.again}
    text = json.dumps(said, separators=(",", ":"))
    print(text)
    ANSWER.write_text(text)


def answer(contract: bytes, part: int, parts: int) -> dict[str, object]:
    """One part of a contract, or how many it takes, or that it is too large."""
    packed = base64.b85encode(zlib.compress(contract, 9)).decode()
    fits = next((count for count in range(1, MAX_PARTS + 1) if len(packed) <= count * room(count)), None)
    if fits is None or len(contract) > MAX_BYTES:
        return {"large": len(contract)}
    if fits > parts:
        return {"parts": fits}
    size = room(parts)
    return {"of": hashlib.sha256(contract).hexdigest()[:10], "part": packed[part * size : (part + 1) * size]}


def room(parts: int) -> int:
    """Characters of a contract in each of so many answers."""
    return min(IN_A_CONTAINER, IN_A_POD // (parts + 1)) - AROUND


def read(port: int, patience: float = PATIENCE_SECONDS) -> bytes:
    """What the service offers, the same bytes each time. Raises FaultError."""
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=OPTIONS) as channel:
        method, services = _services(channel, port, time.monotonic() + patience)
        files: dict[str, FileDescriptorProto] = {}
        for service in services:
            for file in _asked(channel, method, [ServerReflectionRequest(file_containing_symbol=service)]):
                files.setdefault(file.name, file)
        _complete(channel, method, files)
    _check(services, files.values())
    for file in files.values():
        file.ClearField("source_code_info")
    return FileDescriptorSet(file=[files[name] for name in sorted(files)]).SerializeToString(deterministic=True)


def _services(channel: grpc.Channel, port: int, deadline: float) -> tuple[str, list[str]]:
    """By which method reflection is answered, and the services there are; waits until somebody listens."""
    request = ServerReflectionRequest(list_services="*")
    while True:
        for method in METHODS:
            try:
                (said,) = _call(channel, method, [request])
            except grpc.RpcError as error:
                code, details = error.code(), error.details()
                if code not in (grpc.StatusCode.UNIMPLEMENTED, *_COMING):
                    raise FaultError(UNREADABLE, f"reflection is refused: {code.name}: {details}") from error
            except ValueError as error:
                raise FaultError(UNREADABLE, "reflection ends without an answer") from error
            else:
                return method, sorted(
                    s.name for s in said.list_services_response.service if not s.name.startswith(INFRASTRUCTURE)
                )
        if code is grpc.StatusCode.UNIMPLEMENTED:
            raise FaultError(UNREADABLE, f"the service does not answer gRPC reflection on port {port}")
        if time.monotonic() > deadline:
            raise FaultError(UNREADABLE, f"nothing answers gRPC in plaintext on port {port}: {details}", again=True)
        time.sleep(PAUSE_SECONDS)


_COMING = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
"""What is said of a server that is not there yet."""


def _complete(channel: grpc.Channel, method: str, files: dict[str, FileDescriptorProto]) -> None:
    """Fetch what the files need, and what that needs in turn."""
    for name in [name for name in files if name in WELL_KNOWN]:
        del files[name]
    while missing := sorted(_needed(files.values()) - files.keys()):
        if len(files) + len(missing) > MAX_FILES:
            raise FaultError(INVALID, f"its services need more than {MAX_FILES} files")
        requests = [ServerReflectionRequest(file_by_filename=name) for name in missing]
        for file in _asked(channel, method, requests):
            if file.name not in WELL_KNOWN:
                files.setdefault(file.name, file)
        if absent := sorted(set(missing) - files.keys()):
            raise FaultError(INVALID, f"it describes no file {absent[0]}, which its services need")


def _needed(files: Iterable[FileDescriptorProto]) -> set[str]:
    return {name for file in files for name in file.dependency if name not in WELL_KNOWN}


def _check(services: Iterable[str], files: Iterable[FileDescriptorProto]) -> None:
    """Every service that is named must be described."""
    described = {f"{file.package}.{s.name}".lstrip(".") for file in files for s in file.service}
    for service in services:
        if service not in described:
            raise FaultError(INVALID, f"it names service {service} and does not describe it")


def _asked(
    channel: grpc.Channel, method: str, requests: list[ServerReflectionRequest]
) -> Iterator[FileDescriptorProto]:
    """The files it answers with."""
    try:
        for request, said in zip(requests, _call(channel, method, requests), strict=True):
            if said.WhichOneof("message_response") == "error_response":
                about = request.file_containing_symbol or request.file_by_filename
                raise FaultError(
                    INVALID, f"it names {about} and does not describe it: {said.error_response.error_message}"
                )
            for packed in said.file_descriptor_response.file_descriptor_proto:
                yield FileDescriptorProto.FromString(packed)
    except grpc.RpcError as error:
        raise FaultError(
            UNREADABLE, f"reflection ends with {error.code().name}: {error.details()}", again=True
        ) from error
    except DecodeError as error:
        raise FaultError(INVALID, "it describes itself in what is no descriptor") from error
    except ValueError as error:
        raise FaultError(UNREADABLE, "reflection ends without an answer to each question") from error


def _call(
    channel: grpc.Channel, method: str, requests: list[ServerReflectionRequest]
) -> list[ServerReflectionResponse]:
    call = channel.stream_stream(method, ServerReflectionRequest.SerializeToString, ServerReflectionResponse.FromString)
    return list(call(iter(requests), timeout=CALL_SECONDS))


if __name__ == "__main__":
    main()
