"""The sandbox: results, and the ends of checks that crash, compute without end, or need too much memory."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess

import pytest
from freehold.core.protobuf import checker, checks
from freehold.core.protobuf.checks import Check, Kind
from freehold.sandbox import frames, process
from freehold.sandbox.frames import SandboxError
from freehold.sandbox.process import Sandbox

from tests import offered

METHODS = Check(Kind.METHODS, offered.users())
BREAKING = offered.users(offered.EMAIL)
ACTION = "correct the descriptors of the image, or set spec.grpc.contract: None"
HOSTILE = """
import os, signal
from freehold.core.protobuf import checker
from freehold.sandbox import program

def run(check):
    match check.contract:
        case b"crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case b"compute":
            while True:
                pass
        case b"grow":
            return b"x" * 2**30
        case b"fail":
            raise ValueError("no result")
        case b"wait":
            signal.pause()
    return honest(check)

honest, checker.run = checker.run, run
program.frames.WALL_SECONDS = 3
program.main()
"""
"""The program of the sandbox with a checker that does what hostile descriptors might make protobuf do."""


@pytest.mark.parametrize(
    "check",
    [
        METHODS,
        Check(Kind.FILES, offered.users()),
        Check(Kind.BREAKS, offered.users(), BREAKING),
        Check(Kind.CHANGES, offered.users(), BREAKING),
        Check(Kind.METHODS, b"no such thing"),
    ],
    ids=lambda check: check.kind,
)
def test_results_survive_json(check: Check) -> None:
    """A result is the same after the way through JSON."""
    result = checker.run(check)
    assert checks.from_json(json.loads(json.dumps(checks.to_json(result)))) == result


def test_run_once() -> None:
    """A process of its own gives the result of a check."""
    assert process.run(METHODS) == checker.run(METHODS)


def test_program_ends_without_reader() -> None:
    """The program of an operator that was killed ends without a word in the operator's log."""
    readable, writable = os.pipe()
    os.close(readable)
    command, question = process.COMMAND, frames.question(METHODS)
    ended = subprocess.run(command, input=question, stdout=writable, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writable)
    assert ended.stderr == b""


def test_run_without_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox that cannot run says nothing about the contract."""
    monkeypatch.setattr(process, "COMMAND", ("false",))
    with pytest.raises(SandboxError, match="contracts cannot be checked: exit code 1"):
        process.run(METHODS)


async def test_hostile_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that crashes or does not end has a fault with the cause; the next check has its result."""
    monkeypatch.setattr(process, "COMMAND", (process.COMMAND[0], "-c", HOSTILE))
    sandbox = Sandbox()
    causes = {
        b"crash": "SIGSEGV",
        b"compute": "more than 2 s of processor time",
        b"grow": "more than 192 MiB of memory",
        b"fail": "exit code 1",
        b"wait": "more than 3 s",
    }
    for contract, cause in causes.items():
        result, ended = await sandbox.run(Check(Kind.METHODS, contract))
        expected = f"the check of the descriptors ended without a result: {cause}; {ACTION}"
        # Without a processor of its own, the endless loop reaches the other bound first.
        late = expected.replace("2 s of processor time", "3 s")
        assert not ended and result.fault in (expected, late)
        assert await sandbox.run(METHODS) == (checker.run(METHODS), True)
    await sandbox.stop()


async def test_process_ends_and_starts_again() -> None:
    """A process that is killed costs one answer; the next check starts another process."""
    sandbox = Sandbox()
    assert (await sandbox.run(METHODS))[1]
    assert sandbox._process
    sandbox._process.kill()
    await sandbox._process.wait()
    with pytest.raises(SandboxError, match="the sandbox does not answer"):
        await sandbox.run(METHODS)
    assert (await sandbox.run(METHODS))[1]
    await sandbox.stop()


async def test_event_loop_is_not_blocked() -> None:
    """Other tasks run during a check."""
    sandbox, ticks = Sandbox(), 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0)
            ticks += 1

    ticking = asyncio.create_task(tick())
    await sandbox.run(METHODS)
    ticking.cancel()
    await sandbox.stop()
    assert ticks > 10


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"result":{}}', b'{"result":7}', b"[" * 100_000])
def test_bad_answers(document: bytes) -> None:
    """An answer that is no result counts as a check without a result."""
    result, ended = frames.result(document)
    assert not ended and result.fault.startswith("the check of the descriptors ended without a result: ")
