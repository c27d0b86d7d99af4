"""What a message loses that is written by one contract and read by another (protobuf.dev, 'Encoding').

On the wire a field is a number and one of six wire types; names, and those of messages and enums too, are not there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FieldDescriptorProto

from freehold.core.protobuf import differences
from freehold.core.protobuf.differences import FIELDS, VALUES, Direction, Finding, Numbers

F = FieldDescriptor
ALIKE = (
    {F.TYPE_INT32, F.TYPE_UINT32, F.TYPE_INT64, F.TYPE_UINT64, F.TYPE_BOOL},
    {F.TYPE_SINT32, F.TYPE_SINT64},
    {F.TYPE_FIXED32, F.TYPE_SFIXED32},
    {F.TYPE_FIXED64, F.TYPE_SFIXED64},
)
"""Types that read each other (protobuf.dev, 'Updating A Message Type'; Buf, FIELD_WIRE_COMPATIBLE_TYPE)."""
WITH_ENUM = {F.TYPE_ENUM, F.TYPE_INT32, F.TYPE_UINT32, F.TYPE_INT64, F.TYPE_UINT64}
SCALARS = {int(number): name.removeprefix("TYPE_").lower() for name, number in FieldDescriptorProto.Type.items()}
TEXT = {F.TYPE_STRING, F.TYPE_BYTES}


def message(was: Descriptor, now: Descriptor, direction: Direction) -> Iterator[Finding]:
    """What differs between two versions of a message, without those that it holds."""
    before, after = _fields(was), _fields(now)
    yield from differences.numbers(_numbers(was, before), _numbers(now, after), FIELDS)
    for number in sorted(after.keys() - before.keys()):
        if after[number].is_required:
            one = after[number]
            said = f"field {number} '{one.name}' of {now.full_name} is new, and required"
            yield Finding(f"{now.full_name}.{one.name}", "MESSAGE_SAME_REQUIRED_FIELDS", said)
    for one, other in _kept(was, now):
        yield from _field(was, one, other, direction, before.keys() & after.keys())
    if was.GetOptions().message_set_wire_format != now.GetOptions().message_set_wire_format:
        said = f"{was.full_name} has another message_set_wire_format"
        yield Finding(was.full_name, "MESSAGE_SAME_MESSAGE_SET_WIRE_FORMAT", said)


def held(was: Descriptor, now: Descriptor) -> Iterator[tuple[Descriptor, Descriptor]]:
    """The messages within a message, each with what stands in its place."""
    for kept in _kept(was, now):
        for one, other in _carried(*kept):
            inner, other_inner = one.message_type, other.message_type
            if inner and other_inner and one.type == other.type and not is_replaced(inner, other_inner):
                yield inner, other_inner


def is_replaced(was: Descriptor | EnumDescriptor, now: Descriptor | EnumDescriptor) -> bool:
    """Whether another type was put in place of one, which its name says; one that moved is compared by what it holds.

    A package or an enclosing message is no part of the name: the type may have moved to where others use it as well.
    Nor is a map's entry replaced, of which the name was given by protoc: a map is a list of such messages.
    """
    return was.name != now.name and not _is_entry(was) and not _is_entry(now)


def _fields(owner: Descriptor) -> dict[int, FieldDescriptor]:
    """By number; an extension is on the wire what a field is."""
    return {one.number: one for one in (*owner.fields, *owner.file.pool.FindAllExtensions(owner))}


def _numbers(owner: Descriptor, fields: dict[int, FieldDescriptor]) -> Numbers:
    proto = DescriptorProto()
    owner.CopyToProto(proto)
    reserved = tuple(range(one.start, one.end) for one in proto.reserved_range)
    names = {number: frozenset({one.name}) for number, one in fields.items()}
    return Numbers("field", owner.full_name, names, reserved, frozenset(proto.reserved_name))


def _kept(was: Descriptor, now: Descriptor) -> Iterator[tuple[FieldDescriptor, FieldDescriptor]]:
    before, after = _fields(was), _fields(now)
    for number in differences.kept(_numbers(was, before), _numbers(now, after)):
        yield before[number], after[number]


def _field(
    owner: Descriptor, was: FieldDescriptor, now: FieldDescriptor, direction: Direction, common: set[int]
) -> Iterator[Finding]:
    """What differs of a field that is still there. common: the numbers that both messages have."""
    element, name = f"{owner.full_name}.{was.name}", f"field {was.number} '{was.name}' of {owner.full_name}"
    changed = f"{name} was {_shown(was)}, is {_shown(now)}"
    fits = all(_fits(one, other, direction) for one, other in _carried(was, now))
    if was.is_repeated != now.is_repeated:
        yield Finding(element, "FIELD_WIRE_COMPATIBLE_CARDINALITY", changed)
    if not fits:
        yield Finding(element, "FIELD_WIRE_COMPATIBLE_TYPE", changed)
    elif was.is_repeated == now.is_repeated:
        if _shown(was) != _shown(now):
            yield Finding(element, "", changed)
        yield from _singular(was, now, element, name, common)
    for one, other in _carried(was, now):
        if one.enum_type and other.enum_type and not is_replaced(one.enum_type, other.enum_type):
            yield from _enum(one.enum_type, other.enum_type)


def _singular(
    was: FieldDescriptor, now: FieldDescriptor, element: str, name: str, common: set[int]
) -> Iterator[Finding]:
    """Whether it must be there, what it shares its place with, and what it is when it is absent."""
    if was.is_required != now.is_required:
        need = {True: "required", False: "optional"}
        said = f"{name} was {need[was.is_required]}, is {need[now.is_required]}"
        yield Finding(element, "MESSAGE_SAME_REQUIRED_FIELDS", said)
    place, other_place = _place(was), _place(now)
    if _rivals(was, common) != _rivals(now, common) and place != other_place:
        said = f"{name} was {place}, is {other_place}"
        yield Finding(element, "FIELD_SAME_ONEOF", said)
    before, after = _default(was), _default(now)
    if before != after:
        yield Finding(element, "FIELD_SAME_DEFAULT", f"the default of {name} was {before!r}, is {after!r}")


def _carried(was: FieldDescriptor, now: FieldDescriptor) -> tuple[tuple[FieldDescriptor, FieldDescriptor], ...]:
    """What is compared: the fields, or the keys and the values of two maps."""
    one, other = _entry(was), _entry(now)
    return tuple(zip(one.fields, other.fields, strict=True)) if one and other else ((was, now),)


def _fits(was: FieldDescriptor, now: FieldDescriptor, direction: Direction) -> bool:
    """Whether what is written as one type is read as the other."""
    if was.type == now.type:
        one, other = was.message_type or was.enum_type, now.message_type or now.enum_type
        return one is None or other is None or not is_replaced(one, other)
    kinds = {was.type, now.type}
    if kinds == TEXT:
        # Text is bytes, but not all bytes are text: whoever reads text refuses them.
        return was.type == F.TYPE_STRING and direction is Direction.REQUEST
    if kinds <= WITH_ENUM and F.TYPE_ENUM in kinds:
        # A closed enum drops the numbers that it does not have (protobuf.dev, 'Enum Behavior').
        reader = now if direction is Direction.REQUEST else was
        return reader.enum_type is None or not reader.enum_type.is_closed
    return any(kinds <= group for group in ALIKE)


def _enum(was: EnumDescriptor, now: EnumDescriptor) -> Iterator[Finding]:
    """Both directions alike: what is sent a value it does not know, or waits for one that never comes, is misled."""
    if was.is_closed != now.is_closed:
        kinds = {True: "closed", False: "open"}
        said = f"enum {was.full_name} was {kinds[was.is_closed]}, is {kinds[now.is_closed]}"
        yield Finding(was.full_name, "ENUM_SAME_TYPE", said)
    yield from differences.numbers(_values(was), _values(now), VALUES)


def _values(owner: EnumDescriptor) -> Numbers:
    proto, names = EnumDescriptorProto(), dict[int, frozenset[str]]()
    owner.CopyToProto(proto)
    for value in owner.values:
        names[value.number] = names.get(value.number, frozenset()) | {value.name}
    reserved = tuple(range(one.start, one.end + 1) for one in proto.reserved_range)  # inclusive, unlike a message's
    return Numbers("value", owner.full_name, names, reserved, frozenset(proto.reserved_name))


def _rivals(field: FieldDescriptor, common: set[int]) -> set[int]:
    """Fields that clear this one when they are set, of those that both contracts know.

    A oneof of one's own is what explicit presence is, so that to move into one, or out, loses nothing.
    """
    oneof = field.containing_oneof
    return {one.number for one in oneof.fields} & common - {field.number} if oneof else set()


def _place(field: FieldDescriptor) -> str:
    oneof = field.containing_oneof
    return f"in oneof '{oneof.name}'" if oneof and oneof.name != f"_{field.name}" else "by itself"


def _default(field: FieldDescriptor) -> Any:
    """What a reader takes an absent field for; text as bytes, of which it may become some."""
    if field.is_repeated or field.message_type:
        return None
    value = field.default_value
    if isinstance(value, float):
        return value.hex()  # by its digits, for nan is not equal to itself
    return value.encode() if isinstance(value, str) else value


def _is_entry(kind: Descriptor | EnumDescriptor) -> bool:
    return isinstance(kind, Descriptor) and kind.GetOptions().map_entry


def _entry(field: FieldDescriptor) -> Descriptor | None:
    """The message that a map is a list of, with its key and its value."""
    return field.message_type if field.message_type and _is_entry(field.message_type) else None


def _shown(field: FieldDescriptor) -> str:
    """Its type, as a .proto file has it."""
    if entry := _entry(field):
        key, value = entry.fields
        return f"map<{_shown(key)}, {_shown(value)}>"
    named = field.message_type or field.enum_type
    kind = named.full_name if named else SCALARS[field.type]
    delimited = "delimited " if field.type == F.TYPE_GROUP else ""
    return f"{'repeated ' if field.is_repeated else ''}{delimited}{kind}"
