"""Compatibility of two contracts: whether clients built against the old contract keep working with the new one.

The wire format decides, by the rules of protobuf (protobuf.dev, 'Updating A Message Type') and Buf's category WIRE.
Stricter than Buf where a running client would miss data: a removed field is a break even if the number is reserved.
tests/contracts lists each deviation with a reason. JSON names do not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache

from google.protobuf.descriptor import Descriptor, MethodDescriptor

from freehold.core.protobuf import wire
from freehold.core.protobuf.descriptors import (
    Contract,
    ContractError,
    Idempotency,
    idempotency,
    idempotency_of,
    methods,
    parse,
)
from freehold.core.protobuf.differences import Direction, Finding

__all__ = [
    "Break",
    "Change",
    "Contract",
    "ContractError",
    "Idempotency",
    "breaks",
    "changes",
    "idempotency",
    "methods",
    "parse",
]
Pair = tuple[Descriptor, Descriptor]
Compared = tuple[tuple[Finding, ...], dict[Pair, None]]
"""The findings of a message, and the nested messages in order."""
Compare = Callable[[Descriptor, Descriptor, Direction], Compared]
"""Compares two versions of a message; cached, since methods share messages."""
LEVELS = list(Idempotency)
"""Idempotency levels, the weakest first."""


@dataclass(frozen=True)
class Break:
    """A change that breaks clients of a method.

    method: `package.Service/Method`. element: the full name of the changed element, like `shop.users.v1.User.email`.
    rule: Buf's identifier. message: old and new state, a sentence without a full stop.
    """

    method: str
    element: str
    rule: str
    message: str


@dataclass(frozen=True)
class Change:
    """A difference of two contracts. rule: the broken rule, empty for a compatible change. methods: the old methods
    affected, none for a new method."""

    element: str
    rule: str
    message: str
    methods: tuple[str, ...]


def breaks(before: Contract, after: Contract, called: Collection[str] | None = None) -> tuple[Break, ...]:
    """Return the changes that break a client built against `before`, by method and then in the order of the files.

    called: the methods that the client calls, as `package.Service/Method`, with or without gRPC's leading slash;
    None: all methods. Methods that `before` does not offer are ignored.
    """
    wanted, compare = None if called is None else {name.lstrip("/") for name in called}, cache(_compare_messages)
    return tuple(
        Break(name, finding.element, finding.rule, finding.message)
        for name in methods(before)
        if wanted is None or name in wanted
        for finding in _compare_method(name, before, after, compare)
        if finding.rule
    )


def changes(before: Contract, after: Contract) -> tuple[Change, ...]:
    """Return all differences, breaking changes first."""
    affected: dict[Finding, list[str]] = {}
    compare = cache(_compare_messages)
    for name in methods(before):
        for finding in _compare_method(name, before, after, compare):
            affected.setdefault(finding, []).append(name)
    broken = {(finding.element, finding.message) for finding in affected if finding.rule}
    listed = [
        Change(finding.element, finding.rule, finding.message, tuple(names))
        for finding, names in affected.items()
        if finding.rule or (finding.element, finding.message) not in broken
    ]
    listed += [Change(name, "", f"method {name} is new", ()) for name in methods(after) if not before.method(name)]
    return tuple(sorted(listed, key=lambda change: not change.rule))


def _compare_method(name: str, before: Contract, after: Contract, compare: Compare) -> list[Finding]:
    """Return all findings for the clients of a method, each finding once."""
    old, new = before.method(name), after.method(name)
    assert old is not None, name
    if new is None:
        return [_removed_method(name, after)]
    findings = [*_compare_signatures(name, old, new)]
    for direction, old_type, new_type in (
        (Direction.REQUEST, old.input_type, new.input_type),
        (Direction.RESPONSE, old.output_type, new.output_type),
    ):
        if wire.is_replaced(old_type, new_type):
            message = f"the {direction} of {name} was {old_type.full_name}, is {new_type.full_name}"
            findings.append(Finding(name, f"RPC_SAME_{direction.upper()}_TYPE", message))
        else:
            findings += _compare_nested(old_type, new_type, direction, compare)
    return list(dict.fromkeys(findings))


def _removed_method(name: str, after: Contract) -> Finding:
    service, _, own = name.partition("/")
    if service in after.services:
        return Finding(name, "RPC_NO_DELETE", f"method {name} is gone")
    short = service.rpartition(".")[2]
    named = [other for other in methods(after) if other.endswith(own)]
    moved = [other for other in named if other.rpartition("/")[0].rpartition(".")[2] == short]
    instead = f"; there is {' and '.join(moved)}" if moved else ""
    return Finding(service, "SERVICE_NO_DELETE", f"service {service} is gone{instead}")


def _compare_signatures(name: str, old: MethodDescriptor, new: MethodDescriptor) -> Iterator[Finding]:
    """Yield differences in streaming and in the idempotency level of a method."""
    for direction, was_streaming, is_streaming in (
        (Direction.REQUEST, old.client_streaming, new.client_streaming),
        (Direction.RESPONSE, old.server_streaming, new.server_streaming),
    ):
        if was_streaming != is_streaming:
            side = "CLIENT" if direction is Direction.REQUEST else "SERVER"
            kinds = {True: "a stream", False: "one message"}
            message = f"the {direction} of {name} was {kinds[was_streaming]}, is {kinds[is_streaming]}"
            yield Finding(name, f"RPC_SAME_{side}_STREAMING", message)
    old_level, new_level = idempotency_of(old), idempotency_of(new)
    if old_level is not new_level:
        weaker = LEVELS.index(new_level) < LEVELS.index(old_level)
        rule = "RPC_SAME_IDEMPOTENCY_LEVEL" if weaker else ""
        yield Finding(name, rule, f"the idempotency level of {name} was {old_level}, is {new_level}")


def _compare_nested(old: Descriptor, new: Descriptor, direction: Direction, compare: Compare) -> Iterator[Finding]:
    """Yield the findings of a message and of all nested messages; messages may be recursive."""
    waiting, seen = [(old, new)], {(old, new)}
    while waiting:
        findings, nested = compare(*waiting.pop(), direction)
        yield from findings
        waiting += [pair for pair in nested if pair not in seen]
        seen |= nested.keys()


def _compare_messages(old: Descriptor, new: Descriptor, direction: Direction) -> Compared:
    return tuple(wire.compare(old, new, direction)), dict.fromkeys(wire.nested(old, new))
