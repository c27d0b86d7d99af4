"""Checks of contracts, and their results, as data: who asks needs no protobuf, and no descriptor in the own process.

A check is answered by `checker.run`, in the operator and the command line within a sandbox.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple


class Idempotency(StrEnum):
    """The declared idempotency of a method (google/protobuf/descriptor.proto, MethodOptions.IdempotencyLevel)."""

    UNKNOWN = "IDEMPOTENCY_UNKNOWN"
    IDEMPOTENT = "IDEMPOTENT"
    NO_SIDE_EFFECTS = "NO_SIDE_EFFECTS"


class Method(NamedTuple):
    """A method. name: `package.Service/Method`. request, response: full names of the messages."""

    name: str
    idempotency: Idempotency
    request: str
    response: str
    client_streaming: bool
    server_streaming: bool


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


class Kind(StrEnum):
    """What a check asks for."""

    METHODS = "methods"
    BREAKS = "breaks"
    CHANGES = "changes"
    FILES = "files"


class Check(NamedTuple):
    """A question about a contract, or about a contract and its successor; each a serialized FileDescriptorSet."""

    kind: Kind
    contract: bytes
    successor: bytes = b""


@dataclass(frozen=True)
class Result:
    """The result of a check. fault: why a contract is invalid or cannot be checked; empty for valid contracts.

    The other fields answer the check of the same name. methods: in order. breaks: of all methods, by method.
    files: a serialized FileDescriptorSet with all imports, without unrelated files, each file after its imports.
    file_names: the names of the files. unfinished: whether the check crashed or exceeded a bound.
    """

    fault: str = ""
    methods: tuple[Method, ...] = ()
    breaks: tuple[Break, ...] = ()
    changes: tuple[Change, ...] = ()
    files: bytes = b""
    file_names: tuple[str, ...] = ()
    unfinished: bool = False


Checked = Callable[[Check], Result | None]
"""The results that are known; None for a check without a result yet."""


def nothing_checked(check: Check) -> Result | None:  # noqa: ARG001
    """No result is known."""
    return None


def to_json(result: Result) -> dict[str, Any]:
    """Return a result in JSON form. Each finding is written once, however many methods have the finding."""
    findings: dict[tuple[str, str, str], int] = {}
    methods: dict[str, list[int]] = {}
    for each in result.breaks:
        finding = each.element, each.rule, each.message
        methods.setdefault(each.method, []).append(findings.setdefault(finding, len(findings)))
    changes = [[each.element, each.rule, each.message, each.methods] for each in result.changes]
    return {
        "fault": result.fault,
        "methods": result.methods,
        "findings": [*findings],
        "breaks": methods,
        "changes": changes,
        "files": base64.b64encode(result.files).decode(),
        "fileNames": result.file_names,
    }


def from_json(answer: Mapping[str, Any]) -> Result:
    """Return a result from JSON form. Raises KeyError, TypeError, ValueError or IndexError for another document."""
    return Result(
        str(answer["fault"]),
        tuple(
            Method(str(name), Idempotency(level), str(request), str(response), client is True, server is True)
            for name, level, request, response, client, server in answer["methods"]
        ),
        tuple(
            Break(str(method), *map(str, answer["findings"][index]))
            for method, indexes in answer["breaks"].items()
            for index in indexes
        ),
        tuple(
            Change(str(element), str(rule), str(message), tuple(map(str, methods)))
            for element, rule, message, methods in answer["changes"]
        ),
        base64.b64decode(answer["files"]),
        tuple(map(str, answer["fileNames"])),
    )
