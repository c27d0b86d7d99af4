"""What a service offers, as protobuf describes it: a contract that was checked, and what it says of its methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter

from google.protobuf import (
    any_pb2,
    api_pb2,
    descriptor_pb2,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    source_context_pb2,
    struct_pb2,
    timestamp_pb2,
    type_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError

INFRASTRUCTURE = ("grpc.health.", "grpc.reflection.", "grpc.channelz.")
"""Packages that gRPC itself serves beside a service (grpc/grpc-proto); no consumer declares them."""
WELL_KNOWN = {
    module.DESCRIPTOR.name: module.DESCRIPTOR
    for module in (
        any_pb2,
        api_pb2,
        descriptor_pb2,
        duration_pb2,
        empty_pb2,
        field_mask_pb2,
        source_context_pb2,
        struct_pb2,
        timestamp_pb2,
        type_pb2,
        wrappers_pb2,
    )
}
"""The files that come with every protobuf (protobuf.dev, 'Well-Known Types'), which some servers leave out."""


class ContractError(ValueError):
    """A descriptor set that cannot be a contract; says in plain words why."""


class Idempotency(StrEnum):
    """What a method says of being called twice (google/protobuf/descriptor.proto, MethodOptions.IdempotencyLevel)."""

    UNKNOWN = "IDEMPOTENCY_UNKNOWN"
    IDEMPOTENT = "IDEMPOTENT"
    NO_SIDE_EFFECTS = "NO_SIDE_EFFECTS"


@dataclass(frozen=True)
class Contract:
    """A checked descriptor set. raw: as it was given. services: by full name, in order, infrastructure left out."""

    raw: bytes
    services: Mapping[str, ServiceDescriptor] = field(compare=False, repr=False)

    def method(self, name: str) -> MethodDescriptor | None:
        """The method called `package.Service/Method`, None where there is none."""
        service, _, own = name.partition("/")
        return self.services[service].methods_by_name.get(own) if service in self.services else None


def parse(raw: bytes) -> Contract:
    """A serialized google.protobuf.FileDescriptorSet as a contract. Raises ContractError."""
    try:
        listed = descriptor_pb2.FileDescriptorSet.FromString(raw).file
        files = {file.name: file for file in listed}
    except (DecodeError, UnicodeDecodeError) as error:
        raise ContractError(f"these bytes are no google.protobuf.FileDescriptorSet: {error}") from error
    for file in listed:
        # protobuf gives what is not UTF-8 as bytes, instead of text.
        if not all(isinstance(name, str) for name in (file.name, file.package, *file.dependency)):
            raise ContractError(f"file {file.name!r} has names that are not UTF-8")
        if file != files[file.name]:
            raise ContractError(f"file {file.name} is there twice, and not the same")
    pool = _pool(files)
    services = [name for file in listed for name in _services(file) if not name.startswith(INFRASTRUCTURE)]
    if not services:
        raise ContractError("it offers no gRPC service")
    return Contract(raw, {name: pool.FindServiceByName(name) for name in sorted(set(services))})


def methods(contract: Contract) -> tuple[str, ...]:
    """Every method in order, as `package.Service/Method`."""
    return tuple(f"{name}/{own.name}" for name, service in contract.services.items() for own in service.methods)


def idempotency(contract: Contract) -> Mapping[str, Idempotency]:
    """What each method says, by `package.Service/Method`; those that say nothing are UNKNOWN."""
    return {f"{name}/{own.name}": said(own) for name, service in contract.services.items() for own in service.methods}


def said(method: MethodDescriptor) -> Idempotency:
    """What one method says of being called twice."""
    level = method.GetOptions().idempotency_level
    return Idempotency(descriptor_pb2.MethodOptions.IdempotencyLevel.Name(level))


def _services(file: descriptor_pb2.FileDescriptorProto) -> list[str]:
    return [f"{file.package}.{service.name}".lstrip(".") for service in file.service]


def _pool(files: Mapping[str, descriptor_pb2.FileDescriptorProto]) -> DescriptorPool:
    """All the files, each after those it imports; the pool refuses what protobuf does. Raises ContractError."""
    pool = DescriptorPool()
    for name in _order(files):
        try:
            # Serialized, for the pool gives no word to what is wrong with a message of another pool.
            pool.AddSerializedFile(files[name].SerializeToString() if name in files else WELL_KNOWN[name].serialized_pb)
        except (TypeError, ValueError) as error:
            reason = str(error).rpartition("descriptor pool: ")[2]
            raise ContractError(f"file {name} does not stand: {reason}") from error
    return pool


def _order(files: Mapping[str, descriptor_pb2.FileDescriptorProto]) -> list[str]:
    imports: dict[str, list[str]] = {}
    waiting = list(files)
    while waiting:
        name = waiting.pop()
        if name in imports:
            continue
        if name in files:
            imports[name] = list(files[name].dependency)
        elif name in WELL_KNOWN:
            imports[name] = [one.name for one in WELL_KNOWN[name].dependencies]
        else:
            by = ", ".join(sorted(one for one, named in imports.items() if name in named))
            raise ContractError(f"{by} imports {name}, which is not among its files")
        waiting += imports[name]
    try:
        return list(TopologicalSorter(imports).static_order())
    except CycleError as error:
        raise ContractError(f"files import each other in a circle: {' → '.join(error.args[1])}") from error


def files(contract: Contract) -> tuple[FileDescriptor, ...]:
    """The files of its services, each after those it imports; what a server has besides is not among them."""
    listed: dict[str, FileDescriptor] = {}

    def add(file: FileDescriptor) -> None:
        if file.name not in listed:
            for one in file.dependencies:
                add(one)
            listed[file.name] = file

    for service in contract.services.values():
        add(service.file)
    return tuple(listed.values())
