"""What is found between two versions of one thing, and what became of the numbers that its parts go by on the wire."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Direction(StrEnum):
    """Which way a message goes: the client writes a request by the old contract, and reads a response by it."""

    REQUEST = "request"
    RESPONSE = "response"


class Finding(NamedTuple):
    """A difference. element: a full name. rule: the one it breaks, empty where it breaks none."""

    element: str
    rule: str
    message: str


class Rules(NamedTuple):
    """Buf's identifiers for what may become of a number."""

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


@dataclass(frozen=True)
class Numbers:
    """The parts of a message or an enum by number, each with its names, of which an enum's value may have several.

    kind: what to call one. reserved, retired: numbers and names that are not to be used again.
    """

    kind: str
    owner: str
    names: Mapping[int, frozenset[str]]
    reserved: tuple[range, ...] = ()
    retired: frozenset[str] = frozenset()

    def called(self, number: int) -> str:
        return f"{self.kind} {number} '{_joined(self.names[number])}' of {self.owner}"

    def element(self, number: int) -> str:
        return f"{self.owner}.{min(self.names[number])}"

    def holds_back(self, number: int) -> bool:
        return any(number in span for span in self.reserved)


def kept(was: Numbers, now: Numbers) -> list[int]:
    """The numbers that stand for the same as before, under whatever name."""
    return [number for number in was.names if number in now.names and not _lost(number, was, now)]


def numbers(was: Numbers, now: Numbers, rules: Rules) -> Iterator[Finding]:
    """What is gone, renumbered, renamed or new.

    Names do not go over the wire, so another name alone is no break. But a name that is found at another number, was
    taken there from, or is reserved says that what it stood for is not here any more.
    """
    for number in was.names:
        element = was.element(number)
        if lost := _lost(number, was, now):
            here = rules.gone if now.holds_back(number) else rules.gone_unreserved
            yield Finding(element, rules.moved if number in now.names else here, lost)
        elif not was.names[number] & now.names[number]:
            yield Finding(element, "", f"{was.called(number)} is called '{_joined(now.names[number])}'")
    for number in sorted(now.names.keys() - was.names.keys()):
        if was.holds_back(number):
            said = f"{now.called(number)} has a number that was reserved"
            yield Finding(now.element(number), rules.taken, said)
        elif not _elsewhere(number, now, was):
            yield Finding(now.element(number), "", f"{now.called(number)} is new")


def _lost(number: int, was: Numbers, now: Numbers) -> str:
    """What became of what a number stood for, as a sentence; empty where it stands for it still."""
    names, here = was.names[number], now.names.get(number, frozenset())
    if names & here:
        return ""
    if to := _elsewhere(number, was, now):
        return f"{was.kind} '{_joined(names)}' of {was.owner} is renumbered from {number} to {to}"
    if not here:
        return f"{was.called(number)} is gone"
    if names & now.retired or _elsewhere(number, now, was):
        return f"{was.called(number)} is gone, and its number is now that of '{_joined(here)}'"
    return ""


def _elsewhere(number: int, one: Numbers, other: Numbers) -> int | None:
    """The number at which the other has what goes by the same name."""
    names = one.names[number]
    return next((at for at, called in other.names.items() if at != number and names & called), None)


def _joined(names: frozenset[str]) -> str:
    return " = ".join(sorted(names))
