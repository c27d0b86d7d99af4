"""Compatibility of two contracts: whether clients built against the old contract keep working with the new one.

The wire format decides, by the rules of protobuf (protobuf.dev, 'Updating A Message Type') and Buf's category WIRE.
Stricter than Buf where a running client would miss data: a removed field is a break even if the number is reserved.
tests/contracts lists each deviation with a reason. JSON names do not matter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from functools import cache, cached_property
from itertools import islice

from google.protobuf.descriptor import Descriptor, EnumDescriptor, MethodDescriptor

from freehold.core.protobuf import wire
from freehold.core.protobuf.checks import Break, Change, Idempotency
from freehold.core.protobuf.descriptors import (
    Contract,
    idempotency,
    idempotency_of,
    methods,
    parse,
)
from freehold.core.protobuf.differences import Direction, Finding
from freehold.core.protobuf.errors import ContractError
from freehold.core.protobuf.wire import Pair

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
Compared = tuple[tuple[Finding, ...], dict[Pair, None]]
"""The findings of a message or enum, and the nested messages and enums in order."""
LEVELS = list(Idempotency)
"""Idempotency levels, the weakest first."""
MAX_STEPS = 500_000
"""The most types that a comparison visits, over all methods: a type counts for each method that reaches the type."""
MAX_FINDINGS = 50_000
"""The most findings of a comparison, over all methods."""
TOO_MANY = "the contracts differ in too many places to compare"
NAMED = 3
"""Methods named in a message."""


def breaks(
    before: Contract, after: Contract, called: Collection[str] | None = None, most: int | None = None
) -> tuple[Break, ...]:
    """Return the changes that break a client built against `before`, by method and then in the order of the files.

    called: the methods that the client calls, as `package.Service/Method`, with or without gRPC's leading slash;
    None: all methods. Methods that `before` does not offer are ignored. most: the most breaks of each method.
    Raises ContractError, if the contracts differ in too many places.
    """
    wanted, comparison = (
        None if called is None else {name.lstrip("/") for name in called},
        Comparison(before, after, all_findings=False),
    )
    return tuple(
        Break(name, finding.element, finding.rule, finding.message)
        for name in methods(before)
        if wanted is None or name in wanted
        for finding in islice(comparison.findings(name), most)
    )


def changes(before: Contract, after: Contract) -> tuple[Change, ...]:
    """Return all differences, breaking changes first. Raises ContractError, if the contracts differ in too many
    places."""
    affected: dict[Finding, list[str]] = {}
    comparison = Comparison(before, after, all_findings=True)
    for name in methods(before):
        for finding in comparison.findings(name):
            affected.setdefault(finding, []).append(name)
    broken = {(finding.element, finding.message) for finding in affected if finding.rule}
    listed = [
        Change(finding.element, finding.rule, finding.message, tuple(names))
        for finding, names in affected.items()
        if finding.rule or (finding.element, finding.message) not in broken
    ]
    listed += [Change(name, "", f"method {name} is new", ()) for name in methods(after) if not before.method(name)]
    return tuple(sorted(listed, key=lambda change: not change.rule))


class Comparison:
    """The comparison of two contracts, method by method. Each pair of types is compared once in each direction.

    all_findings: whether compatible differences are findings as well.
    """

    def __init__(self, before: Contract, after: Contract, *, all_findings: bool) -> None:
        self.before = before
        self.after = after
        self.all_findings = all_findings
        self._compare = cache(self._compare_types)
        self._versions = cache(self._versions_of)
        self._steps = 0
        self._found = 0

    def findings(self, name: str) -> Iterator[Finding]:
        """Yield the findings for the clients of a method, each finding once. Raises ContractError."""
        yielded: set[Finding] = set()
        for finding in filter(self._is_wanted, self._findings(name)):
            self._found += 1
            if self._found > MAX_FINDINGS:
                raise ContractError(TOO_MANY)
            if finding not in yielded:
                yielded.add(finding)
                yield finding

    def _findings(self, name: str) -> Iterator[Finding]:
        """Yield the findings for the clients of a method. Raises ContractError."""
        old, new = self.before.method(name), self.after.method(name)
        assert old is not None, name
        if new is None:
            yield self._removed_method(name)
            return
        yield from _compare_signatures(name, old, new)
        for direction, old_type, new_type in (
            (Direction.REQUEST, old.input_type, new.input_type),
            (Direction.RESPONSE, old.output_type, new.output_type),
        ):
            if wire.is_replaced(old_type, new_type):
                message = f"the {direction} of {name} was {old_type.full_name}, is {new_type.full_name}"
                yield Finding(name, f"RPC_SAME_{direction.upper()}_TYPE", message)
            else:
                yield from self._nested((old_type, new_type), direction)

    def _nested(self, pair: Pair, direction: Direction) -> Iterator[Finding]:
        """Yield the findings of a message and of all nested types; messages may be recursive. Raises ContractError."""
        waiting, seen = [pair], {pair}
        while waiting:
            findings, nested = self._compare(waiting.pop(), direction)
            self._steps += 1 + len(nested)
            if self._steps > MAX_STEPS:
                raise ContractError(TOO_MANY)
            yield from findings
            waiting += [each for each in nested if each not in seen]
            seen |= nested.keys()

    def _compare_types(self, pair: Pair, direction: Direction) -> Compared:
        old, new = pair
        if isinstance(old, EnumDescriptor) or isinstance(new, EnumDescriptor):
            assert isinstance(old, EnumDescriptor) and isinstance(new, EnumDescriptor)
            return tuple(filter(self._is_wanted, wire.compare_enums(old, new))), {}
        message = self._versions(old, new)
        return tuple(filter(self._is_wanted, wire.compare(message, direction))), dict.fromkeys(wire.nested(message))

    def _versions_of(self, old: Descriptor, new: Descriptor) -> wire.Versions:
        return wire.versions(old, new, _fields(self.before, old), _fields(self.after, new))

    def _is_wanted(self, finding: Finding) -> bool:
        return self.all_findings or bool(finding.rule)

    def _removed_method(self, name: str) -> Finding:
        service, _, own = name.partition("/")
        if service in self.after.services:
            return Finding(name, "RPC_NO_DELETE", f"method {name} is gone")
        moved = self._methods.get((service.rpartition(".")[2], own), [])
        instead = f"; there is {' and '.join(moved[:NAMED])}" if moved else ""
        return Finding(service, "SERVICE_NO_DELETE", f"service {service} is gone{instead}")

    @cached_property
    def _methods(self) -> Mapping[tuple[str, str], list[str]]:
        """The new contract's methods by the names of service and method, without the package."""
        index: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for name in methods(self.after):
            service, _, own = name.partition("/")
            index[service.rpartition(".")[2], own].append(name)
        return dict(index)


def _fields(contract: Contract, owner: Descriptor) -> wire.Fields:
    """Fields and extensions by number; both are encoded alike."""
    return {field.number: field for field in (*owner.fields, *contract.extensions.get(owner.full_name, ()))}


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
