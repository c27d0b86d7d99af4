"""Mutated descriptor sets: each check comes to an end with a result, and no process crashes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from random import Random

import pytest
from freehold.core.protobuf.checks import Check, Kind
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import offered, sandboxed
from tests.sandboxed import Sandboxed

F = FieldDescriptorProto
NUMBERS = (-(2**31), -1, 0, 1, 2, 5, 9, 11, 14, 100, 19_000, 2**29 - 1, 2**31 - 1)
TEXTS = (
    *("", "A", "M", "a", "a.proto", "b", "key", "value", "1x", "é", "x" * 600, "proto2", "proto3", "editions"),
    *(".a.M", "M", ".a.E", ".a.M.KEntry", ".a.M.N", ".a", ".google.protobuf.Timestamp", "a..b"),
    *("0", "-1", "1e999", "nan", "true", "\\377", "\\", "99999999999999999999"),
)
SIZE = 64 * 1024
"""The largest mutated set; more is covered by the bounds."""


def rich() -> FileDescriptorSet:
    """A valid contract with every kind of element."""
    file = FileDescriptorProto(name="a.proto", package="a", syntax="proto2")
    message = file.message_type.add(name="M")
    enum = file.enum_type.add(name="E")
    for number, name in enumerate(("A", "B", "C")):
        enum.value.add(name=name, number=number)
    enum.reserved_range.add(start=7, end=9)
    field = partial(message.field.add, label=F.LABEL_OPTIONAL)
    field(name="i", number=1, type=F.TYPE_INT32, default_value="7")
    field(name="d", number=2, type=F.TYPE_DOUBLE, default_value="nan")
    field(name="e", number=3, type=F.TYPE_ENUM, type_name=".a.E", default_value="B")
    field(name="b", number=5, type=F.TYPE_BYTES, default_value="\\377")
    field(name="s", number=6, type=F.TYPE_STRING, default_value="text")
    field(name="x", number=7, type=F.TYPE_STRING, oneof_index=0)
    field(name="y", number=9, type=F.TYPE_MESSAGE, type_name=".a.M.N", oneof_index=0)
    message.field.add(name="k", number=8, type=F.TYPE_MESSAGE, type_name=".a.M.KEntry", label=F.LABEL_REPEATED)
    message.field.add(name="r", number=10, type=F.TYPE_STRING, label=F.LABEL_REPEATED)
    message.oneof_decl.add(name="o")
    message.extension_range.add(start=100, end=200)
    message.reserved_range.add(start=50, end=60)
    message.reserved_name.append("gone")
    message.nested_type.add(name="N").field.add(
        name="m", number=1, type=F.TYPE_MESSAGE, type_name=".a.M", label=F.LABEL_OPTIONAL
    )
    entry = message.nested_type.add(name="KEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=F.TYPE_STRING, label=F.LABEL_OPTIONAL)
    entry.field.add(name="value", number=2, type=F.TYPE_INT32, label=F.LABEL_OPTIONAL)
    file.extension.add(name="ext", number=100, type=F.TYPE_INT32, label=F.LABEL_OPTIONAL, extendee=".a.M")
    method = file.service.add(name="S").method.add(name="Do", input_type=".a.M", output_type=".a.M.N")
    method.options.idempotency_level = 1
    return FileDescriptorSet(file=[file])


SEEDS = (rich().SerializeToString(), offered.users())


def messages(root: Message) -> Iterator[Message]:
    """Yield a message and all messages within."""
    yield root
    for field, value in root.ListFields():
        if field.message_type:
            for inner in value if field.is_repeated else (value,):
                yield from messages(inner)


def mutate(root: Message, random: Random) -> None:
    """Change, add, copy or remove one element of a message."""
    owner = random.choice([*messages(root)])
    field = random.choice([each for each in owner.DESCRIPTOR.fields if each.name != "source_code_info"])
    value = getattr(owner, field.name)
    if random.random() < 0.15:
        owner.ClearField(field.name)
    elif field.message_type:
        similar = [each for each in messages(root) if each.DESCRIPTOR is field.message_type]
        copied = random.choice(similar) if similar and random.random() < 0.8 else None
        target = value.add() if field.is_repeated else value
        target.SetInParent()
        if copied is not None:
            serialized = copied.SerializePartialToString()
            target.MergeFromString(serialized)
    elif field.is_repeated:
        value.append(scalar(field, random))
    else:
        setattr(owner, field.name, scalar(field, random))


def scalar(field: FieldDescriptor, random: Random) -> object:
    """A value for a field without messages."""
    if field.enum_type:
        return random.choice([value.number for value in field.enum_type.values])
    match field.type:
        case FieldDescriptor.TYPE_BOOL:
            return random.random() < 0.5
        case FieldDescriptor.TYPE_STRING:
            return random.choice(TEXTS)
        case FieldDescriptor.TYPE_BYTES:
            return random.choice(TEXTS).encode()
        case FieldDescriptor.TYPE_UINT64:
            return abs(random.choice(NUMBERS))
        case FieldDescriptor.TYPE_DOUBLE:
            return float(random.choice(NUMBERS))
    return random.choice(NUMBERS)


def mutated(random: Random) -> bytes:
    """A seed after some changes of elements, and at times of bytes."""
    root = FileDescriptorSet.FromString(random.choice(SEEDS))
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        if len(root.SerializePartialToString()) < SIZE:
            mutate(root, random)
    raw = bytearray(root.SerializePartialToString())
    for _ in range(random.choice((0, 0, 0, 0, 1, 3)) if raw else 0):
        raw[random.randrange(len(raw))] = random.randrange(256)
    return bytes(raw)


def judged(sandbox: Sandboxed, random: Random) -> None:
    """Run one kind of check on a mutated contract."""
    raw, other = mutated(random), random.choice(SEEDS)
    if random.random() < 0.3:
        other = raw
    kind = random.choice([Kind.METHODS, Kind.FILES, Kind.BREAKS, Kind.CHANGES, Kind.CHANGES])
    check = Check(kind, raw) if kind in (Kind.METHODS, Kind.FILES) else Check(kind, raw, other)
    if kind is Kind.BREAKS:
        check = Check(kind, other, raw)
    result, ended = sandbox.run(check)
    assert ended, (result.fault, check)


def fuzz(examples: int) -> None:
    """Run the checks on a number of mutated contracts."""
    with sandboxed.started() as sandbox:

        @given(random=st.randoms(use_true_random=False))
        @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
        def fuzzed(random: Random) -> None:
            judged(sandbox, random)

        fuzzed()


def test_mutated_descriptors() -> None:
    """A slice of the mutations."""
    fuzz(200)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_mutated_descriptors_at_length() -> None:
    """About ten minutes of mutations."""
    fuzz(40_000)
