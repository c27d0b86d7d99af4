"""Descriptors of a service: parsing and validation of a contract, its methods and their idempotency levels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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
from google.protobuf.descriptor import FieldDescriptor, FileDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError

from freehold.core.protobuf import bounds
from freehold.core.protobuf.checks import Idempotency
from freehold.core.protobuf.errors import ContractError

INFRASTRUCTURE = ("grpc.health.", "grpc.reflection.", "grpc.channelz.")
"""Packages of gRPC's own services (grpc/grpc-proto), which are not part of a contract."""
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
"""The files of protobuf itself (protobuf.dev, 'Well-Known Types'), which some servers leave out."""


@dataclass(frozen=True)
class Contract:
    """A valid descriptor set. raw: the serialized input. services: by full name, sorted, without INFRASTRUCTURE.

    extensions: by the full name of the extended message.
    """

    raw: bytes
    services: Mapping[str, ServiceDescriptor] = field(compare=False, repr=False)
    extensions: Mapping[str, tuple[FieldDescriptor, ...]] = field(default_factory=dict, compare=False, repr=False)

    def method(self, name: str) -> MethodDescriptor | None:
        """Return the method `package.Service/Method`, None if the contract has no such method."""
        service, _, own = name.partition("/")
        return self.services[service].methods_by_name.get(own) if service in self.services else None


def parse(raw: bytes) -> Contract:
    """Parse a serialized google.protobuf.FileDescriptorSet within `bounds`. Raises ContractError."""
    listed = _decoded(raw)
    files = {file.name: file for file in listed}
    for file in listed:
        # protobuf returns names that are not UTF-8 as bytes.
        if not all(isinstance(name, str) for name in (file.name, file.package, *file.dependency)):
            raise ContractError(f"file {file.name!r} has names that are not UTF-8")
        if file != files[file.name]:
            raise ContractError(f"file {file.name} occurs twice with different content")
    bounds.check_defaults(listed)
    pool = _pool(files)
    services = [name for file in listed for name in _services(file) if not name.startswith(INFRASTRUCTURE)]
    if not services:
        raise ContractError("the descriptors contain no gRPC service")
    found = {name: pool.FindServiceByName(name) for name in sorted(set(services))}
    return Contract(raw, found, _extensions(pool, files.values()))


def _decoded(raw: bytes) -> Sequence[descriptor_pb2.FileDescriptorProto]:
    """The files of a serialized FileDescriptorSet within `bounds`. Raises ContractError."""
    if len(raw) > bounds.MAX_BYTES:
        raise ContractError(f"the descriptors take {len(raw)} bytes, more than {bounds.MAX_BYTES}")
    try:
        listed = descriptor_pb2.FileDescriptorSet.FromString(raw).file
        bounds.check(listed)
    except (DecodeError, UnicodeDecodeError) as error:
        raise ContractError(f"the bytes are not a google.protobuf.FileDescriptorSet: {error}") from error
    return listed


def methods(contract: Contract) -> tuple[str, ...]:
    """All methods in order, as `package.Service/Method`."""
    return tuple(f"{name}/{own.name}" for name, service in contract.services.items() for own in service.methods)


def idempotency(contract: Contract) -> Mapping[str, Idempotency]:
    """The idempotency level of each method, by `package.Service/Method`; UNKNOWN if not declared."""
    return {
        f"{name}/{own.name}": idempotency_of(own)
        for name, service in contract.services.items()
        for own in service.methods
    }


def idempotency_of(method: MethodDescriptor) -> Idempotency:
    """The idempotency level of a method."""
    level = method.GetOptions().idempotency_level
    return Idempotency(descriptor_pb2.MethodOptions.IdempotencyLevel.Name(level))


def _services(file: descriptor_pb2.FileDescriptorProto) -> list[str]:
    return [f"{file.package}.{service.name}".lstrip(".") for service in file.service]


def _pool(files: Mapping[str, descriptor_pb2.FileDescriptorProto]) -> DescriptorPool:
    """Return a pool with all files, validated by protobuf, each file after its imports. Raises ContractError."""
    pool = DescriptorPool()
    for name in _order(files):
        try:
            # Serialized, because the pool names no cause for an invalid message of another pool.
            pool.AddSerializedFile(files[name].SerializeToString() if name in files else WELL_KNOWN[name].serialized_pb)
        except (TypeError, ValueError) as error:
            reason = str(error).rpartition("descriptor pool: ")[2]
            raise ContractError(f"file {name} is invalid: {reason}") from error
    return pool


def _extensions(
    pool: DescriptorPool, files: Iterable[descriptor_pb2.FileDescriptorProto]
) -> Mapping[str, tuple[FieldDescriptor, ...]]:
    """The extensions by the full name of the extended message.

    Collected once: the pool would search all extensions for each message.
    """
    found: defaultdict[str, list[FieldDescriptor]] = defaultdict(list)
    for name in bounds.extensions(files):
        extension = pool.FindExtensionByName(name)
        assert extension.containing_type, name
        found[extension.containing_type.full_name].append(extension)
    return {name: tuple(listed) for name, listed in found.items()}


def _order(files: Mapping[str, descriptor_pb2.FileDescriptorProto]) -> list[str]:
    """Return the names of all files, each after its imports. Raises ContractError."""
    imports: dict[str, list[str]] = {}
    waiting = list(files)
    while waiting:
        name = waiting.pop()
        if name in imports:
            continue
        if name in files:
            imports[name] = list(files[name].dependency)
        elif name in WELL_KNOWN:
            imports[name] = [file.name for file in WELL_KNOWN[name].dependencies]
        else:
            importers = ", ".join(sorted(importer for importer, named in imports.items() if name in named))
            raise ContractError(f"{importers} imports {name}, and the descriptors do not contain that file")
        waiting += imports[name]
    try:
        return list(TopologicalSorter(imports).static_order())
    except CycleError as error:
        raise ContractError(f"files import each other in a circle: {' → '.join(error.args[1])}") from error


def files(contract: Contract) -> tuple[FileDescriptor, ...]:
    """The files of the contract's services, each after its imports; unrelated files are left out."""
    found: dict[str, FileDescriptor] = {}
    waiting = [service.file for service in contract.services.values()]
    while waiting:
        file = waiting.pop()
        if file.name not in found:
            found[file.name] = file
            waiting += file.dependencies
    imports = {name: [other.name for other in file.dependencies] for name, file in sorted(found.items())}
    return tuple(found[name] for name in TopologicalSorter(imports).static_order())
