"""The process of the sandbox, as others use it: one check and its end, or a process that answers many checks."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress

from freehold.core.protobuf.checks import Check, Result
from freehold.sandbox import frames
from freehold.sandbox.frames import SandboxError

COMMAND = (sys.executable, "-P", "-m", "freehold.sandbox.program")
START_SECONDS = 60.0
"""The longest start of the process."""


def run(check: Check) -> Result:
    """Return the result of a check, from a process of its own. Raises SandboxError."""
    limit = START_SECONDS + frames.WALL_SECONDS
    try:
        done = subprocess.run(COMMAND, input=frames.question(check), capture_output=True, timeout=limit, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SandboxError(f"contracts cannot be checked: {error}") from error
    if len(done.stdout) < 4:
        cause = done.stderr.decode(errors="replace").strip().rpartition("\n")[2] or f"exit code {done.returncode}"
        raise SandboxError(f"contracts cannot be checked: {cause}")
    return frames.result(done.stdout[4:])[0]


class Sandbox:
    """A process that answers checks, one after another; started when needed."""

    def __init__(self) -> None:
        self._process: Process | None = None

    async def run(self, check: Check) -> tuple[Result, bool]:
        """Return the result of a check, and whether the check came to its end. Raises SandboxError."""
        process = self._process = self._process or await _start()
        answered = False
        try:
            async with asyncio.timeout(START_SECONDS + frames.WALL_SECONDS):
                document = await _ask(process, frames.question(check))
            answered = True
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            raise SandboxError(f"the sandbox does not answer: {error!r}") from error
        finally:
            if not answered:
                await self.stop()
        return frames.result(document)

    async def stop(self) -> None:
        """End the process; the next check starts another."""
        process, self._process = self._process, None
        if process:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _ask(process: Process, question: bytes) -> bytes:
    """Return the document that answers a question. Raises OSError, EOFError or ValueError."""
    assert process.stdin and process.stdout
    process.stdin.write(question)
    await process.stdin.drain()
    size = int.from_bytes(await process.stdout.readexactly(4), "big")
    if size > frames.MAX_ANSWER:
        raise ValueError(f"{size} bytes")
    return await process.stdout.readexactly(size)


async def _start() -> Process:
    try:
        return await asyncio.create_subprocess_exec(*COMMAND, stdin=PIPE, stdout=PIPE)
    except OSError as error:
        raise SandboxError(f"the sandbox does not start: {error}") from error
