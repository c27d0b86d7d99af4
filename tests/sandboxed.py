"""Checks of contracts in the sandbox's process, which tests ask one after another."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from freehold.core.protobuf.checks import Check, Result
from freehold.sandbox import frames
from freehold.sandbox.process import COMMAND


class Sandboxed:
    """A running process of the sandbox."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def run(self, check: Check) -> tuple[Result, bool]:
        """Return the result of a check, and whether the check came to its end."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(frames.question(check))
        self.process.stdin.flush()
        size = int.from_bytes(self.process.stdout.read(4), "big")
        return frames.result(self.process.stdout.read(size))


@contextmanager
def started() -> Iterator[Sandboxed]:
    """Start a process, and end it at the end of the block."""
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Sandboxed(process)
        assert process.stdin
        process.stdin.close()
