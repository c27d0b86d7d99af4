"""Descriptors that protoc would not write: each is refused with a sentence, in the sandbox, which may crash."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from freehold.core.protobuf import bounds
from freehold.core.protobuf.checks import Check, Kind
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet

from tests import sandboxed

F = FieldDescriptorProto
Parsed = Callable[[bytes], str]
TYPES = [F.TYPE_BOOL, F.TYPE_BYTES, F.TYPE_ENUM, F.TYPE_FLOAT, F.TYPE_INT32, F.TYPE_STRING, F.TYPE_UINT64]


def file(syntax: str = "proto2") -> FileDescriptorProto:
    """A file with an empty message M, an enum E, and a method."""
    made = FileDescriptorProto(name="a.proto", package="a", syntax=syntax)
    made.message_type.add(name="M")
    made.enum_type.add(name="E").value.add(name="x", number=0)
    made.service.add(name="S").method.add(name="Do", input_type=".a.M", output_type=".a.M")
    return made


def serialized(*files: FileDescriptorProto) -> bytes:
    return FileDescriptorSet(file=files).SerializeToString()


def field(type_: int, default: str, label: int = F.LABEL_OPTIONAL, syntax: str = "proto2") -> bytes:
    """A contract whose message M has one field with a default."""
    made = file(syntax)
    named = {F.TYPE_ENUM: ".a.E", F.TYPE_MESSAGE: ".a.M", F.TYPE_GROUP: ".a.M"}
    types = {"type_name": named[type_]} if type_ in named else {}
    made.message_type[0].field.add(name="b", number=1, type=type_, label=label, default_value=default, **types)
    return serialized(made)


def extension(label: int) -> bytes:
    """A contract with an extension that has a default."""
    made = file()
    made.message_type[0].extension_range.add(start=100, end=200)
    made.extension.add(name="b", number=100, type=F.TYPE_STRING, label=label, default_value="x", extendee=".a.M")
    return serialized(made)


@pytest.fixture(name="parsed", scope="module")
def fixture_parsed() -> Iterator[Callable[[bytes], str]]:
    """Return the fault of a contract, empty for a valid contract. Fails if a check does not come to its end."""
    with sandboxed.started() as sandbox:

        def fault(raw: bytes) -> str:
            checks = (Check(Kind.METHODS, raw), Check(Kind.FILES, raw), Check(Kind.CHANGES, raw, raw))
            results = [sandbox.run(check) for check in checks]
            assert all(ended for _, ended in results), results
            assert len({result.fault for result, _ in results}) == 1, results
            return results[0][0].fault

        yield fault


@pytest.mark.parametrize(
    "raw",
    [*(field(type_, "x", F.LABEL_REPEATED) for type_ in TYPES), extension(F.LABEL_REPEATED)],
    ids=[*(F.Type.Name(type_) for type_ in TYPES), "extension"],
)
def test_default_of_a_repeated_field(raw: bytes, parsed: Parsed) -> None:
    """A repeated field has no default: protobuf's runtime would read invalid memory."""
    assert parsed(raw).endswith(".b has a default, and is repeated or a message")


@pytest.mark.parametrize("type_", [F.TYPE_MESSAGE, F.TYPE_GROUP])
def test_default_of_a_message(type_: int, parsed: Parsed) -> None:
    """A message has no default."""
    assert parsed(field(type_, "x")) == "field a.M.b has a default, and is repeated or a message"


@pytest.mark.parametrize(
    ("type_", "default"),
    [(F.TYPE_UINT64, "-1"), (F.TYPE_INT32, ""), (F.TYPE_INT64, " 1"), (F.TYPE_DOUBLE, ""), (F.TYPE_FLOAT, "one")],
)
def test_default_of_another_type(type_: int, default: str, parsed: Parsed) -> None:
    """A default must be a value of the field's type."""
    assert parsed(field(type_, default)) == f"the default {default!r} of field a.M.b is no number of the field's type"


def test_default_out_of_range(parsed: Parsed) -> None:
    """A default must be in the range of the field's type."""
    assert "file a.proto is invalid: " in parsed(field(F.TYPE_INT32, "99999999999"))


@pytest.mark.parametrize("type_", [F.TYPE_INT32, F.TYPE_STRING])
def test_default_not_utf8(type_: int, parsed: Parsed) -> None:
    """A default is text in UTF-8."""
    raw = field(type_, "DEFAULT").replace(b"DEFAULT", b"\x80" * 7)
    assert parsed(raw) == "the default of field a.M.b is not UTF-8"


def test_default_in_proto3(parsed: Parsed) -> None:
    """A file in proto3 has no defaults."""
    assert parsed(field(F.TYPE_STRING, "x", syntax="proto3")) == "field a.M.b has a default, and proto3 has no defaults"


@pytest.mark.parametrize(
    "raw",
    [
        field(F.TYPE_INT32, "-0x1f"),
        field(F.TYPE_UINT64, "18446744073709551615"),
        field(F.TYPE_DOUBLE, "-inf"),
        field(F.TYPE_FLOAT, "nan"),
        field(F.TYPE_FLOAT, "1.5e-07"),
        field(F.TYPE_BOOL, "true"),
        field(F.TYPE_BYTES, "\\377"),
        field(F.TYPE_STRING, ""),
        field(F.TYPE_ENUM, "x"),
        extension(F.LABEL_OPTIONAL),
    ],
)
def test_valid_default(raw: bytes, parsed: Parsed) -> None:
    """Defaults as protoc writes them are accepted."""
    assert parsed(raw) == ""


def test_too_many_fields(parsed: Parsed) -> None:
    """A message has at most MAX_MEMBERS fields."""
    made = file()
    for number in range(bounds.MAX_MEMBERS):
        made.message_type[0].field.add(name=f"f{number}", number=number + 1, type=F.TYPE_INT32, label=1)
    assert parsed(serialized(made)) == ""
    made.message_type[0].field.add(name="more", number=bounds.MAX_MEMBERS + 1, type=F.TYPE_INT32, label=1)
    assert parsed(serialized(made)) == "message a.M has more than 2000 fields"


def test_too_many_values(parsed: Parsed) -> None:
    """An enum has at most MAX_MEMBERS values."""
    made = file()
    for number in range(bounds.MAX_MEMBERS):
        made.enum_type[0].value.add(name=f"v{number}", number=number + 1)
    assert parsed(serialized(made)) == "enum a.E has more than 2000 values"


def test_too_many_reserved_ranges(parsed: Parsed) -> None:
    """A message has at most MAX_MEMBERS reserved ranges."""
    made = file()
    for number in range(bounds.MAX_MEMBERS + 1):
        made.message_type[0].reserved_range.add(start=2 * number + 1, end=2 * number + 2)
    assert parsed(serialized(made)) == "message a.M has more than 2000 reserved ranges"


@pytest.mark.parametrize("methods", [0, 1001])
def test_too_many_elements(methods: int, parsed: Parsed) -> None:
    """The elements and the methods of all files together are bounded."""
    made = file()
    for number in range(bounds.MAX_ELEMENTS if not methods else 0):
        made.message_type.add(name=f"M{number}")
    for service in ("A", "B") if methods else ():
        own = made.service.add(name=service)
        for number in range(methods):
            own.method.add(name=f"Do{number}", input_type=".a.M", output_type=".a.M")
    assert parsed(serialized(made)) == "the contract has more than 20000 elements or 2000 methods"


def test_too_many_files(parsed: Parsed) -> None:
    """The number of files is bounded; a chain of imports within the bound is read."""
    files = [file()] + [FileDescriptorProto(name=f"{number}.proto") for number in range(bounds.MAX_FILES)]
    for made, imported in pairwise(files):
        made.dependency.append(imported.name)
    assert parsed(serialized(*files)) == "the contract has more than 2000 files"
    del files[-1], files[-1].dependency[:]
    assert parsed(serialized(*files)) == ""


def test_names_too_long(parsed: Parsed) -> None:
    """Names, and names with the names of enclosing messages, are bounded."""
    made = file()
    made.message_type[0].field.add(name="b" * 501, number=1, type=F.TYPE_INT32, label=1)
    assert parsed(serialized(made)) == "a name in message 'a.M' has more than 500 characters"
    made = file()
    made.message_type.add(name="N" * 300).nested_type.add(name="O" * 300)
    assert parsed(serialized(made)).startswith("a name in message 'a.NNN")


def test_messages_nested_too_deeply(parsed: Parsed) -> None:
    """Messages within messages are bounded."""
    made, inner = file(), DescriptorProto(name="M0")
    for level in range(bounds.MAX_DEPTH):
        inner = DescriptorProto(name=f"M{level + 1}", nested_type=[inner])
    made.message_type.append(inner)
    assert parsed(serialized(made)) == "messages are nested more than 32 levels deep"


def test_too_many_bytes(parsed: Parsed) -> None:
    """The size of a contract is bounded before anything is decoded."""
    assert parsed(bytes(bounds.MAX_BYTES + 1)) == "the descriptors take 1048577 bytes, more than 1048576"
