"""Bounds of a descriptor set, and rules of protoc that protobuf's runtime does not check.

Descriptors come from images and ConfigMaps that others write, and the runtime trusts what protoc would have refused:
it reads invalid memory when it serializes a repeated field with a default.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    ServiceDescriptorProto,
)
from google.protobuf.message import Message

from freehold.core.protobuf.errors import ContractError

MAX_BYTES = 1024 * 1024
"""Bytes of a serialized descriptor set; a ConfigMap holds no more."""
MAX_FILES = 2000
MAX_MEMBERS = 2000
"""Members of one kind, such as the fields of a message or the values of an enum."""
MAX_ELEMENTS = 20_000
"""Elements of all files together: types, fields, values, methods, reserved ranges, imports."""
MAX_METHODS = 2000
"""Methods of all files together."""
MAX_METHOD_TEXT = 256 * 1024
"""Characters of the full names of all methods together."""
MAX_TEXT = 500
"""Characters of a name, of a full name, and of a default."""
MAX_DEPTH = 32
"""Levels of messages within messages."""

F = FieldDescriptorProto
UNSIGNED = {F.TYPE_UINT32, F.TYPE_UINT64, F.TYPE_FIXED32, F.TYPE_FIXED64}
SIGNED = {F.TYPE_INT32, F.TYPE_INT64, F.TYPE_SINT32, F.TYPE_SINT64, F.TYPE_SFIXED32, F.TYPE_SFIXED64}
DIGITS = r"(0[xX][0-9a-fA-F]+|[0-9]+)"
DEFAULTS = {
    **dict.fromkeys(UNSIGNED, re.compile(DIGITS)),
    **dict.fromkeys(SIGNED, re.compile(f"-?{DIGITS}")),
    **dict.fromkeys((F.TYPE_FLOAT, F.TYPE_DOUBLE), re.compile(r"-?(inf|nan|[0-9.][0-9.eE+-]*)")),
}
"""The defaults of numbers by type, as protoc accepts them; the runtime checks the ranges, and other types."""
Element = FileDescriptorProto | DescriptorProto | EnumDescriptorProto | ServiceDescriptorProto


class Part(NamedTuple):
    """A file, message, enum or service. kind: the word for messages. name: the full name."""

    kind: str
    name: str
    element: Element
    depth: int = 0


def check(files: Sequence[FileDescriptorProto]) -> None:
    """Check the files of a descriptor set. Raises ContractError."""
    if len(files) > MAX_FILES:
        raise ContractError(f"the contract has more than {MAX_FILES} files")
    elements = methods = text = 0
    for part in _parts(files):
        members = _members(part.element)
        for word, listed in members.items():
            if len(listed) > MAX_MEMBERS:
                raise ContractError(f"{part.kind} {part.name} has more than {MAX_MEMBERS} {word}")
        elements += 1 + sum(map(len, members.values()))
        own = members.get("methods", ())
        methods, text = methods + len(own), text + len(own) * len(part.name)
        # Checked before the members are looked at, so that the work is bounded as well.
        if elements > MAX_ELEMENTS or methods > MAX_METHODS:
            raise ContractError(f"the contract has more than {MAX_ELEMENTS} elements or {MAX_METHODS} methods")
        if text > MAX_METHOD_TEXT:
            raise ContractError(f"the names of the methods have more than {MAX_METHOD_TEXT} characters")
        _check_texts(part)


def check_defaults(files: Sequence[FileDescriptorProto]) -> None:
    """Check the defaults of all fields. Raises ContractError.

    Source of the rules: protoc's parser and DescriptorBuilder (protobuf, src/google/protobuf/descriptor.cc).
    """
    for file in files:
        for part in _parts([file]):
            for field in _fields(part.element):
                if field.HasField("default_value"):
                    _check_default(f"{part.name}.{field.name}", field, file.syntax)


def extensions(files: Iterable[FileDescriptorProto]) -> Iterator[str]:
    """Yield the full names of all extensions."""
    for file in files:
        for part in _parts([file]):
            if isinstance(part.element, FileDescriptorProto | DescriptorProto):
                scope = part.name if part.depth else file.package
                yield from (f"{scope}.{own.name}".lstrip(".") for own in part.element.extension)


def _check_default(name: str, field: FieldDescriptorProto, syntax: str) -> None:
    if field.label == F.LABEL_REPEATED or field.type in (F.TYPE_MESSAGE, F.TYPE_GROUP):
        raise ContractError(f"field {name} has a default, and is repeated or a message")
    if not isinstance(field.default_value, str):  # protobuf returns text that is not UTF-8 as bytes
        raise ContractError(f"the default of field {name} is not UTF-8")
    if syntax == "proto3":
        raise ContractError(f"field {name} has a default, and proto3 has no defaults")
    pattern = DEFAULTS.get(field.type)
    if pattern and not pattern.fullmatch(field.default_value):
        raise ContractError(f"the default {field.default_value!r} of field {name} is no number of the field's type")


def _check_texts(part: Part) -> None:
    """Check the length of every name and default of an element and of the members. Raises ContractError."""
    if len(part.name) > MAX_TEXT:
        raise _too_long(part)
    for listed in ([part.element], *_members(part.element).values()):
        for member in listed:
            texts = [member] if not isinstance(member, Message) else [value for _, value in member.ListFields()]
            if any(isinstance(text, str | bytes) and len(text) > MAX_TEXT for text in texts):
                raise _too_long(part)


def _too_long(part: Part) -> ContractError:
    return ContractError(f"a name in {part.kind} {part.name[:80]!r} has more than {MAX_TEXT} characters")


def _parts(files: Sequence[FileDescriptorProto]) -> Iterator[Part]:
    """Yield files, messages, enums and services. Raises ContractError for messages nested too deeply."""
    for file in files:
        waiting = [Part("file", str(file.name), file)]
        while waiting:
            part = waiting.pop()
            yield part
            if part.depth > MAX_DEPTH:
                raise ContractError(f"messages are nested more than {MAX_DEPTH} levels deep")
            waiting += _nested(part)


def _nested(part: Part) -> Iterator[Part]:
    """Yield the messages, enums and services declared within an element."""
    element, depth = part.element, part.depth + 1
    if isinstance(element, FileDescriptorProto):
        prefix = f"{element.package}." if element.package else ""
        yield from (Part("message", f"{prefix}{own.name}", own, depth) for own in element.message_type)
        yield from (Part("service", f"{prefix}{own.name}", own, depth) for own in element.service)
    elif isinstance(element, DescriptorProto):
        prefix = f"{part.name}."
        yield from (Part("message", f"{prefix}{own.name}", own, depth) for own in element.nested_type)
    if isinstance(element, FileDescriptorProto | DescriptorProto):
        yield from (Part("enum", f"{prefix}{own.name}", own, depth) for own in element.enum_type)


def _members(element: Element) -> dict[str, Collection[object]]:
    """The members of an element by the word for messages, without members that are elements themselves."""
    match element:
        case FileDescriptorProto():
            return {"imports": element.dependency, "extensions": element.extension}
        case DescriptorProto():
            return {
                "fields": element.field,
                "extensions": element.extension,
                "oneofs": element.oneof_decl,
                "extension ranges": element.extension_range,
                "reserved ranges": element.reserved_range,
                "reserved names": element.reserved_name,
            }
        case EnumDescriptorProto():
            return {
                "values": element.value,
                "reserved ranges": element.reserved_range,
                "reserved names": element.reserved_name,
            }
    return {"methods": element.method}


def _fields(element: Element) -> Iterator[FieldDescriptorProto]:
    if isinstance(element, FileDescriptorProto | DescriptorProto):
        yield from element.extension
    if isinstance(element, DescriptorProto):
        yield from element.field
