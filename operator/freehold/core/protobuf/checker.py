"""The results of checks, computed with protobuf's runtime."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from freehold.core.protobuf import compatibility, descriptors
from freehold.core.protobuf.checks import Check, Kind, Method, Result
from freehold.core.protobuf.errors import ContractError

MAX_BREAKS = 20
"""The most breaks of a method that a result lists; a message names fewer."""


def run(check: Check) -> Result:
    """Return the result of a check; an invalid contract is a result with a fault."""
    try:
        return _run(check)
    except ContractError as error:
        return Result(fault=str(error))


def _run(check: Check) -> Result:
    contract = descriptors.parse(check.contract)
    match check.kind:
        case Kind.METHODS:
            return Result(methods=_methods(contract))
        case Kind.BREAKS:
            return Result(breaks=compatibility.breaks(contract, descriptors.parse(check.successor), most=MAX_BREAKS))
        case Kind.CHANGES:
            return Result(changes=compatibility.changes(contract, descriptors.parse(check.successor)))
        case Kind.FILES:
            files = descriptors.files(contract)
            return Result(files=_serialized(files), file_names=tuple(file.name for file in files))


def _methods(contract: descriptors.Contract) -> tuple[Method, ...]:
    return tuple(
        Method(
            f"{service.full_name}/{method.name}",
            descriptors.idempotency_of(method),
            method.input_type.full_name,
            method.output_type.full_name,
            method.client_streaming,
            method.server_streaming,
        )
        for service in contract.services.values()
        for method in service.methods
    )


def _serialized(files: Iterable[FileDescriptor]) -> bytes:
    """The files as a FileDescriptorSet, serialized; a contract may omit some of them."""
    complete = FileDescriptorSet()
    for file in files:
        complete.file.append(FileDescriptorProto.FromString(file.serialized_pb))
    return complete.SerializeToString()
