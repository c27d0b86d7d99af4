"""The frames between the sandbox and the process that uses the sandbox.

A question is one line with the kind of a check and the sizes of both contracts in bytes, followed by the contracts. An
answer is the size in four bytes, most significant byte first, followed by a JSON document: `result`, or `ended` with
the cause why there is no result.
"""

from __future__ import annotations

import json
from typing import Any

from freehold.core.protobuf import checks
from freehold.core.protobuf.checks import Check, Result

MAX_ANSWER = 4 * 1024 * 1024
"""Bytes of an answer."""
CPU_SECONDS = 2
"""Processor time of a check, far above what the largest valid contracts take."""
WALL_SECONDS = 10
"""The time of a check, for a process that waits instead of computing, or gets no processor."""
MEMORY_MIB = 192
"""Address space of a check, the interpreter included."""


class SandboxError(Exception):
    """The sandbox cannot run; nothing is known about the contracts."""


def question(check: Check) -> bytes:
    """Return the frame of a check."""
    header = f"{check.kind} {len(check.contract)} {len(check.successor)}\n"
    return header.encode() + check.contract + check.successor


def answer(document: bytes) -> bytes:
    """Return the frame of an answer."""
    return len(document).to_bytes(4, "big") + document


def result(document: bytes) -> tuple[Result, bool]:
    """Return the result of a check, and whether the check came to its end: an early end may be the machine's fault."""
    try:
        parsed: dict[str, Any] = json.loads(document)
        if "ended" in parsed:
            return ended(str(parsed["ended"])[:100]), False
        return checks.from_json(parsed["result"]), True
    except (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError):
        return ended("the answer is not a result"), False


def ended(cause: str) -> Result:
    """Return the result of a check that ended without a result."""
    action = "correct the descriptors of the image, or set spec.grpc.contract: None"
    return Result(fault=f"the check of the descriptors ended without a result: {cause}; {action}")
