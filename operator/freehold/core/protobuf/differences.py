"""Findings between two versions of a message or an enum, and the comparison of field and value numbers."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple


class Direction(StrEnum):
    """The direction of a message. A client writes requests and reads responses by the old contract."""

    REQUEST = "request"
    RESPONSE = "response"


class Finding(NamedTuple):
    """A difference. element: a full name. rule: the broken rule, empty for a compatible difference."""

    element: str
    rule: str
    message: str


class Rules(NamedTuple):
    """Buf's identifiers for the incompatible changes of a number."""

    gone: str
    gone_unreserved: str
    moved: str
    taken: str


FIELDS = Rules(
    "FIELD_NO_DELETE",
    "FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED",
    "FIELD_SAME_NAME",
    "RESERVED_MESSAGE_NO_DELETE",
)
VALUES = Rules(
    "ENUM_VALUE_NO_DELETE",
    "ENUM_VALUE_NO_DELETE_UNLESS_NUMBER_RESERVED",
    "ENUM_VALUE_SAME_NAME",
    "RESERVED_ENUM_NO_DELETE",
)
NAMED = 3
"""Names of one value in a message."""


@dataclass(frozen=True)
class Numbers:
    """The fields of a message or the values of an enum by number. A value of an enum may have several names.

    kind: the word for a member in messages. reserved, reserved_names: numbers and names that must not be used again.
    """

    kind: str
    owner: str
    names: Mapping[int, frozenset[str]]
    reserved: tuple[range, ...] = ()
    reserved_names: frozenset[str] = frozenset()

    def describe(self, number: int) -> str:
        return f"{self.kind} {number} '{_joined(self.names[number])}' of {self.owner}"

    def element(self, number: int) -> str:
        return f"{self.owner}.{min(self.names[number])}"

    def is_reserved(self, number: int) -> bool:
        starts, stops = self._spans
        before = bisect_right(starts, number)
        return before > 0 and number < stops[before - 1]

    def other_number(self, names: frozenset[str], number: int) -> int | None:
        """The first number other than `number` with one of the names; None without such a number."""
        others = (next((n for n in self._by_name.get(name, ()) if n != number), None) for name in names)
        return min((other for other in others if other is not None), key=self._order.__getitem__, default=None)

    @cached_property
    def _by_name(self) -> Mapping[str, list[int]]:
        """The numbers of each name; extensions of different scopes may have the same name."""
        index: defaultdict[str, list[int]] = defaultdict(list)
        for number, names in self.names.items():
            for name in names:
                index[name].append(number)
        return dict(index)

    @cached_property
    def _order(self) -> Mapping[int, int]:
        return {number: place for place, number in enumerate(self.names)}

    @cached_property
    def _spans(self) -> tuple[list[int], list[int]]:
        """The starts of the reserved ranges, sorted, and for each start the highest stop of the ranges so far."""
        ordered = sorted(self.reserved, key=lambda span: span.start)
        return [span.start for span in ordered], [*accumulate((span.stop for span in ordered), max)]


def unchanged(old: Numbers, new: Numbers) -> list[int]:
    """The numbers with the same meaning in both versions, renamed members included."""
    return [number for number in old.names if number in new.names and not _removal(number, old, new)]


def compare(old: Numbers, new: Numbers, rules: Rules) -> Iterator[Finding]:
    """Yield removed, renumbered, renamed and new members.

    Names are not on the wire, so a rename alone is compatible. A number counts as reused, and the old member as
    removed, if the old name moved to another number, the new name comes from another number, or the old name is
    reserved.
    """
    for number in old.names:
        element = old.element(number)
        if removal := _removal(number, old, new):
            rule = rules.gone if new.is_reserved(number) else rules.gone_unreserved
            yield Finding(element, rules.moved if number in new.names else rule, removal)
        elif not old.names[number] & new.names[number]:
            yield Finding(element, "", f"{old.describe(number)} is called '{_joined(new.names[number])}'")
    for number in sorted(new.names.keys() - old.names.keys()):
        if old.is_reserved(number):
            yield Finding(new.element(number), rules.taken, f"{new.describe(number)} has a number that was reserved")
        elif old.other_number(new.names[number], number) is None:
            yield Finding(new.element(number), "", f"{new.describe(number)} is new")


def _removal(number: int, old: Numbers, new: Numbers) -> str:
    """Describe how a number lost the old meaning; empty if the meaning is unchanged."""
    names, new_names = old.names[number], new.names.get(number, frozenset())
    if names & new_names:
        return ""
    moved_to = new.other_number(names, number)
    if moved_to is not None:
        return f"{old.kind} '{_joined(names)}' of {old.owner} is renumbered from {number} to {moved_to}"
    if not new_names:
        return f"{old.describe(number)} is gone"
    if names & new.reserved_names or old.other_number(new_names, number) is not None:
        return f"{old.describe(number)} is gone, and its number is now that of '{_joined(new_names)}'"
    return ""


def _joined(names: frozenset[str]) -> str:
    more = " = …" if len(names) > NAMED else ""
    return " = ".join(sorted(names)[:NAMED]) + more
