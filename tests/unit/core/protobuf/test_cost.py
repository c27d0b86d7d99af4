"""The cost of a comparison grows with the size of the contracts, not with the square of the size."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from freehold.core.protobuf import compatibility, differences
from freehold.core.protobuf.differences import FIELDS, Numbers
from freehold.core.protobuf.errors import ContractError
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet

F = FieldDescriptorProto
OPTIONAL = F.LABEL_OPTIONAL


def seconds(work: Callable[[], object]) -> float:
    """Return the least processor time of three attempts."""
    times = []
    for _ in range(3):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def numbers(count: int, prefix: str, first: int = 1) -> Numbers:
    """The fields of a message, every second number reserved."""
    names = {number: frozenset({f"{prefix}{number}"}) for number in range(first, first + count)}
    return Numbers("field", "a.M", names, tuple(range(n, n + 1) for n in range(2 * count, 4 * count, 2)))


@pytest.mark.parametrize(
    ("prefix", "first"), [("b", 1), ("a", 2), ("b", 100_000)], ids=["renamed", "renumbered", "removed"]
)
def test_compare_ten_times_the_fields(prefix: str, first: int) -> None:
    """Ten times the fields cost about ten times the time; a search for each field would cost a hundred times."""

    def cost(count: int) -> float:
        return seconds(lambda: list(differences.compare(numbers(count, "a"), numbers(count, prefix, first), FIELDS)))

    # More than ten, since the dictionaries of 20,000 entries leave the processor's cache.
    assert cost(20_000) < 60 * cost(2000)


def contract(change: Callable[[FileDescriptorProto], None], methods: int = 1) -> compatibility.Contract:
    """A contract with a message M and methods that take and return M."""
    file = FileDescriptorProto(name="a.proto", package="a", syntax="proto2")
    file.message_type.add(name="M")
    service = file.service.add(name="S")
    for number in range(methods):
        service.method.add(name=f"Do{number}", input_type=".a.M", output_type=".a.M")
    change(file)
    return compatibility.parse(FileDescriptorSet(file=[file]).SerializeToString())


def oneof(count: int, prefix: str) -> Callable[[FileDescriptorProto], None]:
    """A oneof with many fields."""

    def change(file: FileDescriptorProto) -> None:
        file.message_type[0].oneof_decl.add(name="o")
        for n in range(count):
            field = {"name": f"{prefix}{n}", "number": n + 1, "type": F.TYPE_INT32, "label": OPTIONAL}
            file.message_type[0].field.add(**field, oneof_index=0)

    return change


def one_enum(count: int, prefix: str) -> Callable[[FileDescriptorProto], None]:
    """Many fields of the same enum, which has many values."""

    def change(file: FileDescriptorProto) -> None:
        enum = file.enum_type.add(name="E")
        for n in range(count):
            enum.value.add(name=f"{prefix}{n}", number=n)
            field = {"name": f"f{n}", "number": n + 1, "type": F.TYPE_ENUM, "label": OPTIONAL}
            file.message_type[0].field.add(**field, type_name=".a.E")

    return change


def extended(count: int, prefix: str) -> Callable[[FileDescriptorProto], None]:
    """Many messages and many extensions."""

    def change(file: FileDescriptorProto) -> None:
        file.message_type[0].extension_range.add(start=100_000, end=200_000)
        for n in range(count):
            file.message_type.add(name=f"M{n}")
            field = {"name": f"f{n}", "number": n + 1, "type": F.TYPE_MESSAGE, "label": OPTIONAL}
            file.message_type[0].field.add(**field, type_name=f".a.M{n}")
            extension = {"name": f"{prefix}{n}", "number": 100_000 + n, "type": F.TYPE_INT32, "label": OPTIONAL}
            file.extension.add(**extension, extendee=".a.M")

    return change


@pytest.mark.parametrize("change", [oneof, one_enum, extended])
def test_breaks_eight_times_the_elements(change: Callable[[int, str], Callable[[FileDescriptorProto], None]]) -> None:
    """Eight times the elements cost about eight times the time; a square would cost 64 times."""

    def cost(count: int) -> float:
        before, after = contract(change(count, "a")), contract(change(count, "b"))
        return seconds(lambda: compatibility.breaks(before, after))

    assert cost(2000) < 24 * cost(250)


def test_breaks_too_many_findings() -> None:
    """A comparison with too many findings over all methods ends with an error instead of a huge answer."""

    def fields(file: FileDescriptorProto) -> None:
        for n in range(1000):
            file.message_type[0].field.add(name=f"f{n}", number=n + 1, type=F.TYPE_INT32, label=OPTIONAL)

    def empty(file: FileDescriptorProto) -> None:
        assert not file.message_type[0].field

    before, after = contract(fields, methods=100), contract(empty, methods=100)
    with pytest.raises(ContractError, match="differ in too many places to compare"):
        compatibility.breaks(before, after)
    with pytest.raises(ContractError, match="differ in too many places to compare"):
        compatibility.changes(before, after)
