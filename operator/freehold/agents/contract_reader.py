"""The contract reader: reads the contract of the service in its pod by gRPC Server Reflection (v1, else v1alpha).

    python3 -m freehold.agents.contract_reader PORT PART PARTS INJECTED SECONDS

The answer is one line of JSON, the container's termination message. A contract is a FileDescriptorSet, compressed and
encoded as text, split into PARTS answers, of which the reader gives number PART (from 0). A contract that does not fit
is answered with the number of parts that would do, in a pod with INJECTED containers of others. Not included:
google/protobuf/*, gRPC's own services, comments. SECONDS: how long to wait until the service listens.
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
"""The messages of both versions are the same on the wire."""
CONNECT_SECONDS = 40.0
CALL_SECONDS = 10.0
PAUSE_SECONDS = 0.2
MAX_PARTS = 3
MAX_FILES = 2000
MAX_BYTES = 512 * 1024
"""Bytes of a contract."""
POD_BYTES, CONTAINER_BYTES, OVERHEAD = 12 * 1024, 4096, 96
"""Bytes of termination messages that the kubelet keeps: of all containers of a pod, divided evenly (the service
included), and of one container. OVERHEAD: bytes of an answer beside the contract."""
MAX_MESSAGE = 600
"""Characters of a service's error that are reported."""
OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
)
UNREADABLE, INVALID = "ContractUnreadable", "ContractInvalid"


class FaultError(Exception):
    """The contract cannot be read. kind: UNREADABLE or INVALID. retry: whether another attempt may succeed."""

    def __init__(self, kind: str, message: str, *, retry: bool = False) -> None:
        super().__init__(message)
        self.kind = kind
        self.retry = retry


def main() -> None:
    port, part, parts, injected, seconds = map(int, sys.argv[1:])
    try:
        result = answer(read(port, seconds), part, parts, injected)
    except FaultError as fault:
        result = {"fault": fault.kind, "message": str(fault)[:MAX_MESSAGE], "retry": fault.retry}
    text = json.dumps(result, separators=(",", ":"))
    print(text)
    ANSWER.write_text(text)


def answer(contract: bytes, part: int, parts: int, injected: int = 0) -> dict[str, object]:
    """Return part number `part` of a contract, or the number of parts required, or the size of a contract too large."""
    packed = base64.b85encode(zlib.compress(contract, 9)).decode()
    counts = range(1, MAX_PARTS + 1)
    fits = next((count for count in counts if len(packed) <= count * part_size(count, injected)), None)
    if fits is None or len(contract) > MAX_BYTES:
        return {"tooLarge": len(contract)}
    if fits > parts:
        return {"parts": fits}
    size = part_size(parts, injected)
    return {"hash": hashlib.sha256(contract).hexdigest()[:10], "part": packed[part * size : (part + 1) * size]}


def part_size(parts: int, injected: int) -> int:
    """Return the characters of a contract that fit into each answer, for a number of parts and of other containers."""
    return min(CONTAINER_BYTES, POD_BYTES // (parts + 1 + injected)) - OVERHEAD


def read(port: int, timeout: float = CONNECT_SECONDS) -> bytes:
    """Return the contract of the service at a port of localhost, the same bytes each time. Raises FaultError.

    timeout: seconds to wait until the service listens.
    """
    with grpc.insecure_channel(f"localhost:{port}", options=OPTIONS) as channel:
        method, services = _services(channel, port, time.monotonic() + timeout)
        files: dict[str, FileDescriptorProto] = {}
        for service in services:
            for file in _files(channel, method, [ServerReflectionRequest(file_containing_symbol=service)]):
                files.setdefault(file.name, file)
        _complete(channel, method, files)
    _check(services, files.values())
    for file in files.values():
        file.ClearField("source_code_info")
    return FileDescriptorSet(file=[files[name] for name in sorted(files)]).SerializeToString(deterministic=True)


def _services(channel: grpc.Channel, port: int, deadline: float) -> tuple[str, list[str]]:
    """Wait until the service answers; return the reflection method in use, and the names of services."""
    request = ServerReflectionRequest(list_services="*")
    while True:
        for method in METHODS:
            try:
                (response,) = _call(channel, method, [request])
            except grpc.RpcError as error:
                code, details = error.code(), error.details()
                if code not in (grpc.StatusCode.UNIMPLEMENTED, *_NOT_YET):
                    raise FaultError(UNREADABLE, f"the service refuses reflection: {code.name}: {details}") from error
            except ValueError as error:
                raise FaultError(UNREADABLE, "the service ends reflection without an answer") from error
            else:
                services = (service.name for service in response.list_services_response.service)
                return method, sorted(name for name in services if not name.startswith(INFRASTRUCTURE))
        if code is grpc.StatusCode.UNIMPLEMENTED:
            raise FaultError(UNREADABLE, f"the service does not answer gRPC reflection on port {port}")
        if time.monotonic() > deadline:
            raise FaultError(UNREADABLE, f"nothing answers gRPC in plaintext on port {port}: {details}", retry=True)
        time.sleep(PAUSE_SECONDS)


_NOT_YET = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
"""Status codes of a server that does not listen yet."""


def _complete(channel: grpc.Channel, method: str, files: dict[str, FileDescriptorProto]) -> None:
    """Add the files' dependencies, direct and indirect. Raises FaultError."""
    for name in [name for name in files if name in WELL_KNOWN]:
        del files[name]
    while missing := sorted(_dependencies(files.values()) - files.keys()):
        if len(files) + len(missing) > MAX_FILES:
            raise FaultError(INVALID, f"the service's contract has more than {MAX_FILES} files")
        requests = [ServerReflectionRequest(file_by_filename=name) for name in missing]
        for file in _files(channel, method, requests):
            if file.name not in WELL_KNOWN:
                files.setdefault(file.name, file)
        if absent := sorted(set(missing) - files.keys()):
            raise FaultError(INVALID, f"the service does not describe file {absent[0]}, a dependency of its contract")


def _dependencies(files: Iterable[FileDescriptorProto]) -> set[str]:
    return {name for file in files for name in file.dependency if name not in WELL_KNOWN}


def _check(services: Iterable[str], files: Iterable[FileDescriptorProto]) -> None:
    """Check that every named service is described. Raises FaultError."""
    described = {f"{file.package}.{s.name}".lstrip(".") for file in files for s in file.service}
    for service in services:
        if service not in described:
            raise FaultError(INVALID, f"the service lists {service} and does not describe it")


def _files(
    channel: grpc.Channel, method: str, requests: list[ServerReflectionRequest]
) -> Iterator[FileDescriptorProto]:
    """Yield the files in the answers to requests. Raises FaultError."""
    try:
        for request, response in zip(requests, _call(channel, method, requests), strict=True):
            if response.WhichOneof("message_response") == "error_response":
                name = request.file_containing_symbol or request.file_by_filename
                cause = response.error_response.error_message
                raise FaultError(INVALID, f"the service lists {name} and does not describe it: {cause}")
            for file in response.file_descriptor_response.file_descriptor_proto:
                yield FileDescriptorProto.FromString(file)
    except grpc.RpcError as error:
        raise FaultError(
            UNREADABLE, f"reflection ended with {error.code().name}: {error.details()}", retry=True
        ) from error
    except DecodeError as error:
        raise FaultError(INVALID, "the service describes itself by bytes that are not a descriptor") from error
    except ValueError as error:
        raise FaultError(UNREADABLE, "the service ends reflection before answering each request") from error


def _call(
    channel: grpc.Channel, method: str, requests: list[ServerReflectionRequest]
) -> list[ServerReflectionResponse]:
    call = channel.stream_stream(method, ServerReflectionRequest.SerializeToString, ServerReflectionResponse.FromString)
    return list(call(iter(requests), timeout=CALL_SECONDS))


if __name__ == "__main__":
    main()
