"""The reader: what a service answers to reflection, and what becomes of it in a termination message."""

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
    for file in FileDescriptorSet.FromString(offered.known()).file:
        pool.Add(file)
    for file in FileDescriptorSet.FromString(contract).file:
        pool.Add(file)
    return pool


@contextmanager
def listening(*names: str, answers: Answers | None = None, versions: tuple[str, ...] = (V1, V1ALPHA)) -> Iterator[int]:
    """A server that says it offers these, and describes those of users; its port."""
    told = answers or reflection.ReflectionServicer(names, pool_of(offered.users())).ServerReflectionInfo
    handler = grpc.stream_stream_rpc_method_handler(
        told,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server = grpc.server(ThreadPoolExecutor(2))
    for version in versions:
        generic = grpc.method_handlers_generic_handler(version, {"ServerReflectionInfo": handler})
        server.add_generic_rpc_handlers((generic,))
    port: int = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


def fault(port: int, patience: float = 5.0, *, again: bool = False) -> tuple[str, str]:
    with pytest.raises(contract_reader.FaultError) as raised:
        contract_reader.read(port, patience)
    assert raised.value.again is again
    return raised.value.kind, str(raised.value)


@pytest.mark.parametrize("versions", [(V1,), (V1ALPHA,), (V1, V1ALPHA)])
def test_it_reads_what_is_offered_without_what_everybody_knows(versions: tuple[str, ...]) -> None:
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


def test_it_waits_for_one_that_is_not_there_yet_and_says_so_in_the_end() -> None:
    with listening(SERVICE) as port:
        pass
    kind, said = fault(port, patience=0.5, again=True)
    assert kind == contract_reader.UNREADABLE
    assert said.startswith(f"nothing answers gRPC in plaintext on port {port}")


def test_one_that_does_not_answer_reflection() -> None:
    with listening(versions=("another.Service",)) as port:
        assert fault(port) == (
            contract_reader.UNREADABLE,
            f"the service does not answer gRPC reflection on port {port}",
        )


def test_one_that_names_what_it_does_not_describe() -> None:
    with listening(SERVICE, "shop.users.v1.Ghost") as port:
        kind, said = fault(port)
    assert (kind, said) == (contract_reader.INVALID, "it names shop.users.v1.Ghost and does not describe it: not found")


def lie(**told: bytes) -> Answers:
    """A server that answers every question with these files."""

    def answers(requests: Any, _: Any) -> Iterator[Any]:
        for request in requests:
            said = reflection_pb2.ServerReflectionResponse(original_request=request)
            if request.list_services:
                said.list_services_response.service.add(name=SERVICE)
            else:
                said.file_descriptor_response.file_descriptor_proto.extend(told.values())
            yield said

    return answers


def test_one_that_describes_something_else() -> None:
    other = FileDescriptorProto(name="other.proto", package="other").SerializeToString()
    with listening(answers=lie(other=other)) as port:
        assert fault(port) == (contract_reader.INVALID, f"it names service {SERVICE} and does not describe it")


def test_one_that_describes_itself_in_what_is_no_descriptor() -> None:
    with listening(answers=lie(nonsense=b"\xff\xff\xff")) as port:
        assert fault(port) == (contract_reader.INVALID, "it describes itself in what is no descriptor")


def test_one_that_holds_back_a_file_it_needs() -> None:
    needs = FileDescriptorProto(name="users.proto", package="shop.users.v1", dependency=["gone.proto"])
    needs.service.add(name="UsersService")
    with listening(answers=lie(needs=needs.SerializeToString())) as port:
        assert fault(port) == (contract_reader.INVALID, "it describes no file gone.proto, which its services need")


def test_one_that_says_nothing() -> None:
    with listening(answers=lambda *_: iter(())) as port:
        assert fault(port) == (contract_reader.UNREADABLE, "reflection ends without an answer")


def kept(said: list[dict[str, object]]) -> list[str]:
    """The messages as a kubelet keeps them (its status_manager.go): evenly of 12 KiB, the service being one of them."""
    room = min(4096, 12 * 1024 // (len(said) + 1))
    return [json.dumps(one, separators=(",", ":"))[:room] for one in said]


@pytest.mark.parametrize(("size", "parts"), [(0, 1), (3000, 1), (3500, 2), (6300, 2), (6500, 3), (6900, 3)])
def test_a_contract_arrives_whole_in_as_many_parts_as_it_takes(size: int, parts: int) -> None:
    contract = random.Random(size).randbytes(size)
    first = contract_reader.answer(contract, 0, 1)
    assert first.get("parts", 1) == parts
    said = kept([contract_reader.answer(contract, part, parts) for part in range(parts)])
    together = reader_job.assemble([json.loads(one) for one in said], parts)
    assert together and together.contract == contract


def test_one_that_does_not_fit_says_how_large_it_is() -> None:
    assert contract_reader.answer(random.Random(0).randbytes(9000), 0, 1) == {"large": 9000}
    assert contract_reader.answer(bytes(contract_reader.MAX_BYTES + 1), 0, 1) == {
        "large": contract_reader.MAX_BYTES + 1
    }
