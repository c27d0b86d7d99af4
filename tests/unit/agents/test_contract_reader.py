"""The contract reader, with services that answer reflection well or badly, and the termination messages."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from freehold.agents import contract_reader
from freehold.core.contracts import reader_job
from freehold.core.protobuf import compatibility
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection, reflection_pb2

from tests import offered

V1, V1ALPHA = "grpc.reflection.v1.ServerReflection", reflection.SERVICE_NAME
SERVICE = "shop.users.v1.UsersService"
HEALTH = "grpc.health.v1.Health"
Answers = Callable[[Any, Any], Iterator[Any]]


def pool_of(contract: bytes) -> DescriptorPool:
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(offered.well_known()).file:
        pool.Add(file)
    for file in FileDescriptorSet.FromString(contract).file:
        pool.Add(file)
    return pool


@contextmanager
def listening(
    *names: str,
    answers: Answers | None = None,
    versions: tuple[str, ...] = (V1, V1ALPHA),
    host: str = "127.0.0.1",
) -> Iterator[int]:
    """Run a server that lists the named services and describes the service users; yield the port."""
    handle = answers or reflection.ReflectionServicer(names, pool_of(offered.users())).ServerReflectionInfo
    handler = grpc.stream_stream_rpc_method_handler(
        handle,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server = grpc.server(ThreadPoolExecutor(2))
    for version in versions:
        generic = grpc.method_handlers_generic_handler(version, {"ServerReflectionInfo": handler})
        server.add_generic_rpc_handlers((generic,))
    port: int = server.add_insecure_port(f"{host}:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


def fault(port: int, timeout: float = 5.0, *, retry: bool = False) -> tuple[str, str]:
    """Read a contract; return the kind and message of the expected FaultError."""
    with pytest.raises(contract_reader.FaultError) as raised:
        contract_reader.read(port, timeout)
    assert raised.value.retry is retry
    return raised.value.kind, str(raised.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::]"])
def test_contract_of_either_family(host: str) -> None:
    """A service that listens on one family, or on both, is read."""
    with listening(SERVICE, host=host) as port:
        assert contract_reader.read(port)


@pytest.mark.parametrize("versions", [(V1,), (V1ALPHA,), (V1, V1ALPHA)])
def test_contract_read(versions: tuple[str, ...]) -> None:
    """The contract has the service's files only, and is the same each time, with each reflection version."""
    with listening(SERVICE, HEALTH, *versions, versions=versions) as port:
        contract = contract_reader.read(port)
        assert contract_reader.read(port) == contract, "the same bytes each time"
    files = FileDescriptorSet.FromString(contract).file
    assert [file.name for file in files] == ["shop/users/v1/users.proto"]
    assert compatibility.methods(compatibility.parse(contract)) == (
        "shop.users.v1.UsersService/RegisterUser",
        offered.GET_USER,
        offered.COUNT_USERS,
    )


def test_contract_service_not_listening() -> None:
    """The reader waits for a service, then reports a fault to retry."""
    with listening(SERVICE) as port:
        pass
    kind, message = fault(port, timeout=0.5, retry=True)
    assert kind == contract_reader.UNREADABLE
    assert message.startswith(f"nothing answers gRPC in plaintext on port {port}")


def test_contract_without_reflection() -> None:
    """A service without reflection is reported as unreadable."""
    with listening(versions=("another.Service",)) as port:
        assert fault(port) == (
            contract_reader.UNREADABLE,
            f"the service does not answer gRPC reflection on port {port}",
        )


def test_contract_service_not_described() -> None:
    """A listed service that reflection answers with an error is reported."""
    with listening(SERVICE, "shop.users.v1.Ghost") as port:
        kind, message = fault(port)
    assert kind == contract_reader.INVALID
    assert message == "the service lists shop.users.v1.Ghost and does not describe it: not found"


def answer_with(*files: bytes) -> Answers:
    """Return a reflection service that answers each request for a file with the given files."""

    def answers(requests: Any, _: Any) -> Iterator[Any]:
        for request in requests:
            response = reflection_pb2.ServerReflectionResponse(original_request=request)
            if request.list_services:
                response.list_services_response.service.add(name=SERVICE)
            else:
                response.file_descriptor_response.file_descriptor_proto.extend(files)
            yield response

    return answers


def test_contract_other_file_described() -> None:
    """A listed service that is absent from the files is reported."""
    other = FileDescriptorProto(name="other.proto", package="other").SerializeToString()
    with listening(answers=answer_with(other)) as port:
        assert fault(port) == (contract_reader.INVALID, f"the service lists {SERVICE} and does not describe it")


def test_contract_not_a_descriptor() -> None:
    """Bytes other than a descriptor are reported."""
    with listening(answers=answer_with(b"\xff\xff\xff")) as port:
        assert fault(port) == (
            contract_reader.INVALID,
            "the service describes itself by bytes that are not a descriptor",
        )


def test_contract_dependency_missing() -> None:
    """A dependency that the service does not describe is reported."""
    file = FileDescriptorProto(name="users.proto", package="shop.users.v1", dependency=["gone.proto"])
    file.service.add(name="UsersService")
    with listening(answers=answer_with(file.SerializeToString())) as port:
        assert fault(port) == (
            contract_reader.INVALID,
            "the service does not describe file gone.proto, a dependency of its contract",
        )


def test_contract_no_answer() -> None:
    """A service that ends reflection without an answer is reported as unreadable."""
    with listening(answers=lambda *_: iter(())) as port:
        assert fault(port) == (contract_reader.UNREADABLE, "the service ends reflection without an answer")


def truncated(answers: list[dict[str, object]], injected: int = 0) -> list[str]:
    """Return the messages as a kubelet truncates them (status_manager.go): equal shares of 12 KiB, with the service."""
    size = min(4096, 12 * 1024 // (len(answers) + 1 + injected))
    return [json.dumps(answer, separators=(",", ":"))[:size] for answer in answers]


@pytest.mark.parametrize(("size", "parts"), [(0, 1), (3000, 1), (3500, 2), (6300, 2), (6500, 3), (6900, 3)])
def test_contract_in_parts(size: int, parts: int) -> None:
    """A contract is answered in the necessary number of parts, and assembled without loss."""
    contract = random.Random(size).randbytes(size)
    first = contract_reader.answer(contract, 0, 1)
    assert first.get("parts", 1) == parts
    messages = truncated([contract_reader.answer(contract, part, parts) for part in range(parts)])
    assembled = reader_job.assemble([json.loads(message) for message in messages], parts)
    assert assembled and assembled.contract == contract


@pytest.mark.parametrize(("size", "injected", "parts"), [(3000, 1, 1), (3000, 2, 2), (4300, 2, 3), (3000, 4, 3)])
def test_contract_beside_injected_containers(size: int, injected: int, parts: int) -> None:
    """Containers of others share the kubelet's bound, and more parts are necessary."""
    contract = random.Random(size).randbytes(size)
    assert contract_reader.answer(contract, 0, 1, injected).get("parts", 1) == parts
    answers = [contract_reader.answer(contract, part, parts, injected) for part in range(parts)]
    assembled = reader_job.assemble([json.loads(message) for message in truncated(answers, injected)], parts)
    assert assembled and assembled.contract == contract


def test_contract_too_large() -> None:
    """A contract too large for all parts is answered with its size."""
    assert contract_reader.answer(random.Random(0).randbytes(9000), 0, 1) == {"tooLarge": 9000}
    assert contract_reader.answer(bytes(contract_reader.MAX_BYTES + 1), 0, 1) == {
        "tooLarge": contract_reader.MAX_BYTES + 1
    }
