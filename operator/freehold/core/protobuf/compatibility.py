"""Whether a contract may take the place of another while clients built against the old one run.

Judged is what goes over the wire, by the rules of protobuf (protobuf.dev, 'Updating A Message Type') and Buf's of
category WIRE, and stricter where a client that runs would miss something: a field that is gone is held even if its
number is reserved. Where the two differ, tests/contracts says what is held and why. Names of JSON do not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache

from google.protobuf.descriptor import Descriptor, MethodDescriptor

from freehold.core.protobuf import wire
from freehold.core.protobuf.descriptors import Contract, ContractError, Idempotency, idempotency, methods, parse, said
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
Looked = tuple[tuple[Finding, ...], dict[tuple[Descriptor, Descriptor], None]]
Look = Callable[[Descriptor, Descriptor, Direction], Looked]
"""What differs of a message itself, and the messages it holds in order; looked at once for all the methods that share
it."""
LEVELS = list(Idempotency)
"""What a method promises, least first."""


@dataclass(frozen=True)
class Break:
    """What a client of a method would trip over.

    method: `package.Service/Method`. element: the full name of what changed, like `shop.users.v1.User.email`. rule: its
    identifier, which is Buf's. message: what was and what is, a sentence without its full stop.
    """

    method: str
    element: str
    rule: str
    message: str


@dataclass(frozen=True)
class Change:
    """A difference of two contracts. rule: the one it breaks, empty where it breaks none. methods: those it is
    noticed through, which for a method that is new is none."""

    element: str
    rule: str
    message: str
    methods: tuple[str, ...]


def breaks(before: Contract, after: Contract, called: Collection[str] | None = None) -> tuple[Break, ...]:
    """What breaks a client that was built against `before` and calls only these methods; None: all it offers.

    called: `package.Service/Method`, with or without gRPC's leading slash. What `before` does not offer is not
    compared. Ordered by method, then as the files have it.
    """
    wanted, look = None if called is None else {name.lstrip("/") for name in called}, cache(_look)
    return tuple(
        Break(name, found.element, found.rule, found.message)
        for name in methods(before)
        if wanted is None or name in wanted
        for found in _method(name, before, after, look)
        if found.rule
    )


def changes(before: Contract, after: Contract) -> tuple[Change, ...]:
    """All that differs, what breaks somebody first."""
    noticed: dict[Finding, list[str]] = {}
    look = cache(_look)
    for name in methods(before):
        for found in _method(name, before, after, look):
            noticed.setdefault(found, []).append(name)
    broken = {(found.element, found.message) for found in noticed if found.rule}
    listed = [
        Change(found.element, found.rule, found.message, tuple(through))
        for found, through in noticed.items()
        if found.rule or (found.element, found.message) not in broken
    ]
    listed += [Change(name, "", f"method {name} is new", ()) for name in methods(after) if not before.method(name)]
    return tuple(sorted(listed, key=lambda change: not change.rule))


def _method(name: str, before: Contract, after: Contract, look: Look) -> list[Finding]:
    """All that a client of one method can notice, each thing once."""
    was, now = before.method(name), after.method(name)
    assert was is not None, name
    if now is None:
        return [_gone(name, after)]
    found = [*_call(name, was, now)]
    for direction, one, other in (
        (Direction.REQUEST, was.input_type, now.input_type),
        (Direction.RESPONSE, was.output_type, now.output_type),
    ):
        if wire.is_replaced(one, other):
            said = f"the {direction} of {name} was {one.full_name}, is {other.full_name}"
            found.append(Finding(name, f"RPC_SAME_{direction.upper()}_TYPE", said))
        else:
            found += _reached(one, other, direction, look)
    return list(dict.fromkeys(found))


def _gone(name: str, after: Contract) -> Finding:
    service, _, own = name.partition("/")
    if service in after.services:
        return Finding(name, "RPC_NO_DELETE", f"method {name} is gone")
    called = service.rpartition(".")[2]
    moved = [one for one in methods(after) if one.rpartition("/")[0].rpartition(".")[2] == called and one.endswith(own)]
    instead = f"; there is {' and '.join(moved)}" if moved else ""
    return Finding(service, "SERVICE_NO_DELETE", f"service {service} is gone{instead}")


def _call(name: str, was: MethodDescriptor, now: MethodDescriptor) -> Iterator[Finding]:
    """How it is called: one message or a stream each way, and whether it may be called twice."""
    for side, one, other in (
        (Direction.REQUEST, was.client_streaming, now.client_streaming),
        (Direction.RESPONSE, was.server_streaming, now.server_streaming),
    ):
        if one != other:
            rule = "RPC_SAME_CLIENT_STREAMING" if side is Direction.REQUEST else "RPC_SAME_SERVER_STREAMING"
            kinds = {True: "a stream", False: "one message"}
            yield Finding(name, rule, f"the {side} of {name} was {kinds[one]}, is {kinds[other]}")
    level, other_level = said(was), said(now)
    if level is not other_level:
        less = LEVELS.index(other_level) < LEVELS.index(level)
        rule = "RPC_SAME_IDEMPOTENCY_LEVEL" if less else ""
        yield Finding(name, rule, f"the idempotency level of {name} was {level}, is {other_level}")


def _reached(was: Descriptor, now: Descriptor, direction: Direction, look: Look) -> Iterator[Finding]:
    """Of a message and all that it holds, which may be itself again."""
    waiting, seen = [(was, now)], {(was, now)}
    while waiting:
        found, held = look(*waiting.pop(), direction)
        yield from found
        waiting += [inner for inner in held if inner not in seen]
        seen |= held.keys()


def _look(was: Descriptor, now: Descriptor, direction: Direction) -> Looked:
    return tuple(wire.message(was, now, direction)), dict.fromkeys(wire.held(was, now))
