"""Differences between two versions of a message in wire format (protobuf.dev, 'Encoding').

On the wire a field is a number and one of six wire types. Names of fields, messages and enums are not encoded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Set
from typing import Any, NamedTuple

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
"""Types with compatible encodings (protobuf.dev, 'Updating A Message Type'; Buf, FIELD_WIRE_COMPATIBLE_TYPE)."""
WITH_ENUM = {F.TYPE_ENUM, F.TYPE_INT32, F.TYPE_UINT32, F.TYPE_INT64, F.TYPE_UINT64}
SCALARS = {int(number): name.removeprefix("TYPE_").lower() for name, number in FieldDescriptorProto.Type.items()}
TEXT = {F.TYPE_STRING, F.TYPE_BYTES}
Fields = dict[int, FieldDescriptor]
Pair = tuple[Descriptor, Descriptor] | tuple[EnumDescriptor, EnumDescriptor]
"""A type in the old and in the new contract."""
Groups = dict[int, frozenset[int]]


class Versions(NamedTuple):
    """A message in the old and in the new contract. fields: fields and extensions by number.

    unchanged: the numbers with the same meaning in both.
    """

    old: Descriptor
    new: Descriptor
    fields: tuple[Fields, Fields]
    numbers: tuple[Numbers, Numbers]
    unchanged: list[int]


def versions(old: Descriptor, new: Descriptor, old_fields: Fields, new_fields: Fields) -> Versions:
    """Return both versions of a message."""
    numbers = _numbers(old, old_fields), _numbers(new, new_fields)
    return Versions(old, new, (old_fields, new_fields), numbers, differences.unchanged(*numbers))


def compare(versions: Versions, direction: Direction) -> Iterator[Finding]:
    """Yield the differences between two versions of a message, without nested messages and enums."""
    old, new, (old_fields, new_fields), numbers, unchanged = versions
    yield from differences.compare(*numbers, FIELDS)
    for number in sorted(new_fields.keys() - old_fields.keys()):
        if new_fields[number].is_required:
            name = new_fields[number].name
            message = f"field {number} '{name}' of {new.full_name} is new, and required"
            yield Finding(f"{new.full_name}.{name}", "MESSAGE_SAME_REQUIRED_FIELDS", message)
    regrouped = _regrouped(old_fields, new_fields)
    for number in unchanged:
        yield from _compare_fields(old, old_fields[number], new_fields[number], direction, number in regrouped)
    if old.GetOptions().message_set_wire_format != new.GetOptions().message_set_wire_format:
        message = f"{old.full_name} has another message_set_wire_format"
        yield Finding(old.full_name, "MESSAGE_SAME_MESSAGE_SET_WIRE_FORMAT", message)


def nested(message: Versions) -> Iterator[Pair]:
    """Yield the messages and enums of a message's fields, in pairs of old and new."""
    old_fields, new_fields = message.fields
    for number in message.unchanged:
        for old_field, new_field in _encoded(old_fields[number], new_fields[number]):
            inner, new_inner = old_field.message_type, new_field.message_type
            if inner and new_inner and old_field.type == new_field.type and not is_replaced(inner, new_inner):
                yield inner, new_inner
            enum, new_enum = old_field.enum_type, new_field.enum_type
            if enum and new_enum and not is_replaced(enum, new_enum):
                yield enum, new_enum


def is_replaced(old: Descriptor | EnumDescriptor, new: Descriptor | EnumDescriptor) -> bool:
    """Return whether a type was replaced by a type of another name.

    Package and enclosing message do not count as part of the name: a type may have moved to a shared file, and is
    then compared by content. Map entries are never replaced, since protoc generates the name of an entry.
    """
    return old.name != new.name and not _is_entry(old) and not _is_entry(new)


def _numbers(owner: Descriptor, fields: Fields) -> Numbers:
    proto = DescriptorProto()
    owner.CopyToProto(proto)
    reserved = tuple(range(span.start, span.end) for span in proto.reserved_range)
    names = {number: frozenset({field.name}) for number, field in fields.items()}
    return Numbers("field", owner.full_name, names, reserved, frozenset(proto.reserved_name))


def _compare_fields(
    owner: Descriptor, old: FieldDescriptor, new: FieldDescriptor, direction: Direction, regrouped: bool
) -> Iterator[Finding]:
    """Yield the differences of a field with an unchanged number. regrouped: whether the field's oneof has changed."""
    element, name = f"{owner.full_name}.{old.name}", f"field {old.number} '{old.name}' of {owner.full_name}"
    changed = f"{name} was {_type_name(old)}, is {_type_name(new)}"
    readable = all(_is_readable(written, read, direction) for written, read in _encoded(old, new))
    if old.is_repeated != new.is_repeated:
        yield Finding(element, "FIELD_WIRE_COMPATIBLE_CARDINALITY", changed)
    if not readable:
        yield Finding(element, "FIELD_WIRE_COMPATIBLE_TYPE", changed)
    elif old.is_repeated == new.is_repeated:
        if _type_name(old) != _type_name(new):
            yield Finding(element, "", changed)
        yield from _compare_presence(old, new, element, name, regrouped)


def _compare_presence(
    old: FieldDescriptor, new: FieldDescriptor, element: str, name: str, regrouped: bool
) -> Iterator[Finding]:
    """Yield differences in `required`, in the oneof, and in the default of a field."""
    if old.is_required != new.is_required:
        need = {True: "required", False: "optional"}
        message = f"{name} was {need[old.is_required]}, is {need[new.is_required]}"
        yield Finding(element, "MESSAGE_SAME_REQUIRED_FIELDS", message)
    old_place, new_place = _place(old), _place(new)
    if regrouped and old_place != new_place:
        yield Finding(element, "FIELD_SAME_ONEOF", f"{name} was {old_place}, is {new_place}")
    old_default, new_default = _default(old), _default(new)
    if old_default != new_default:
        message = f"the default of {name} was {old_default!r}, is {new_default!r}"
        yield Finding(element, "FIELD_SAME_DEFAULT", message)


def _encoded(old: FieldDescriptor, new: FieldDescriptor) -> tuple[tuple[FieldDescriptor, FieldDescriptor], ...]:
    """The fields to compare: the two fields, or key and value of two maps."""
    old_entry, new_entry = _entry(old), _entry(new)
    return tuple(zip(old_entry.fields, new_entry.fields, strict=True)) if old_entry and new_entry else ((old, new),)


def _is_readable(old: FieldDescriptor, new: FieldDescriptor, direction: Direction) -> bool:
    """Return whether a field written as one type can be read as the other."""
    if old.type == new.type:
        old_type, new_type = old.message_type or old.enum_type, new.message_type or new.enum_type
        return old_type is None or new_type is None or not is_replaced(old_type, new_type)
    types = {old.type, new.type}
    if types == TEXT:
        # A string is valid bytes. Bytes may be invalid UTF-8, which readers of a string refuse.
        return old.type == F.TYPE_STRING and direction is Direction.REQUEST
    if types <= WITH_ENUM and F.TYPE_ENUM in types:
        # Readers with a closed enum drop unknown numbers (protobuf.dev, 'Enum Behavior').
        reader = new if direction is Direction.REQUEST else old
        return reader.enum_type is None or not reader.enum_type.is_closed
    return any(types <= group for group in ALIKE)


def compare_enums(old: EnumDescriptor, new: EnumDescriptor) -> Iterator[Finding]:
    """Yield the differences of an enum, in both directions alike: unknown and missing values both mislead a client."""
    if old.is_closed != new.is_closed:
        kinds = {True: "closed", False: "open"}
        message = f"enum {old.full_name} was {kinds[old.is_closed]}, is {kinds[new.is_closed]}"
        yield Finding(old.full_name, "ENUM_SAME_TYPE", message)
    yield from differences.compare(_values(old), _values(new), VALUES)


def _values(owner: EnumDescriptor) -> Numbers:
    proto, names = EnumDescriptorProto(), dict[int, frozenset[str]]()
    owner.CopyToProto(proto)
    for value in owner.values:
        names[value.number] = names.get(value.number, frozenset()) | {value.name}
    # The reserved ranges of an enum include the end, unlike those of a message.
    reserved = tuple(range(span.start, span.end + 1) for span in proto.reserved_range)
    return Numbers("value", owner.full_name, names, reserved, frozenset(proto.reserved_name))


def _regrouped(old: Fields, new: Fields) -> set[int]:
    """The fields of both contracts that exclude other fields of both contracts than before, through a oneof.

    A oneof with a single field is explicit presence: moving a field in or out is compatible.
    """
    common = old.keys() & new.keys()
    groups, new_groups = _groups(old, common), _groups(new, common)
    # Equal groups are one object, so that each group is compared once and not for each of its fields.
    same = {group: group for group in groups.values()}
    new_groups = {number: same.get(group, group) for number, group in new_groups.items()}
    return {number for number in common if groups.get(number) is not new_groups.get(number)}


def _groups(fields: Fields, common: Set[int]) -> Groups:
    """The fields of the same oneof that both contracts have, by field; only where there are several."""
    members: defaultdict[str, set[int]] = defaultdict(set)
    for number in common:
        if oneof := fields[number].containing_oneof:
            members[oneof.name].add(number)
    groups = [frozenset(group) for group in members.values() if len(group) > 1]
    return {number: group for group in groups for number in group}


def _place(field: FieldDescriptor) -> str:
    oneof = field.containing_oneof
    return f"in oneof '{oneof.name}'" if oneof and oneof.name != f"_{field.name}" else "by itself"


def _default(field: FieldDescriptor) -> Any:
    """The value of an absent field; strings as bytes, since a string may become bytes."""
    if field.is_repeated or field.message_type:
        return None
    value = field.default_value
    if isinstance(value, float):
        return value.hex()  # as text, for nan is not equal to nan
    return value.encode() if isinstance(value, str) else value


def _is_entry(type_: Descriptor | EnumDescriptor) -> bool:
    return isinstance(type_, Descriptor) and type_.GetOptions().map_entry


def _entry(field: FieldDescriptor) -> Descriptor | None:
    """The message with key and value that a map field repeats; None for other fields."""
    return field.message_type if field.message_type and _is_entry(field.message_type) else None


def _type_name(field: FieldDescriptor) -> str:
    """The type as written in a .proto file."""
    if entry := _entry(field):
        key, value = entry.fields
        return f"map<{_type_name(key)}, {_type_name(value)}>"
    named = field.message_type or field.enum_type
    name = named.full_name if named else SCALARS[field.type]
    delimited = "delimited " if field.type == F.TYPE_GROUP else ""
    return f"{'repeated ' if field.is_repeated else ''}{delimited}{name}"
