"""The queue of contract checks: waiting services, remembered results, and the share of each namespace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from freehold.controller import contract_checks
from freehold.controller.contract_checks import ContractChecks
from freehold.core.model.resources import Key, Plan
from freehold.core.protobuf.checks import Check, Kind, Result
from freehold.sandbox.frames import SandboxError

USERS, OTHER, EVIL = Key("shop", "users"), Key("shop", "other"), Key("evil", "x")


def check(text: str) -> Check:
    return Check(Kind.METHODS, text.encode())


def plans(*checks: Check) -> list[Plan]:
    return [Plan("contracts", (), checks=checks)]


class Scripted:
    """A sandbox that records the order of checks; a check of `broken` comes to no end."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.failures = 0
        self.idle = asyncio.Event()

    async def run(self, asked: Check) -> tuple[Result, bool]:
        if self.failures:
            self.failures -= 1
            raise SandboxError("no process")
        await asyncio.sleep(0)
        self.order.append(asked.contract.decode())
        return Result(fault=f"result of {self.order[-1]}"), asked.contract != b"broken"

    async def stop(self) -> None:
        self.idle.set()


@asynccontextmanager
async def running(checks: ContractChecks, sandbox: Scripted) -> AsyncIterator[None]:
    """Run the checks until the queue is empty and the sandbox is stopped, then the block."""
    checks._sandbox = sandbox  # type: ignore[assignment]
    task = asyncio.create_task(checks.run())
    async with asyncio.timeout(60):
        await sandbox.idle.wait()
    yield
    task.cancel()


async def test_service_waits_and_is_woken() -> None:
    """A service with an unknown check waits, is woken by the result, and then goes on."""
    woken: list[Key] = []
    checks, sandbox = ContractChecks(lambda *keys: woken.extend(keys)), Scripted()
    assert checks.wait(USERS, plans()) is None
    assert (checks.wait(USERS, plans(check("a"))) or 0) > 0
    assert (checks.wait(OTHER, plans(check("a"))) or 0) > 0
    assert checks.known("shop")(check("a")) is None
    async with running(checks, sandbox):
        assert sandbox.order == ["a"], "asked once for both"
        assert set(woken) == {USERS, OTHER}
        assert checks.known("shop")(check("a")) == Result(fault="result of a")
        assert checks.known("evil")(check("a")) is None, "each namespace has a memory of its own"


async def test_namespaces_take_turns() -> None:
    """Many checks of one namespace delay another namespace by one check."""
    checks, sandbox = ContractChecks(lambda *_: None), Scripted()
    checks.wait(EVIL, plans(*(check(f"evil{n}") for n in range(20))))
    checks.wait(USERS, plans(check("a"), check("b")))
    async with running(checks, sandbox):
        assert sandbox.order[:4] == ["evil0", "a", "evil1", "b"]
        assert len(sandbox.order) == 22


async def test_queue_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks beyond the bounds of a namespace are left out; one check always fits."""
    monkeypatch.setattr(contract_checks, "MAX_QUEUED", 10)
    checks, sandbox = ContractChecks(lambda *_: None), Scripted()
    checks.wait(EVIL, plans(check("more than ten"), check("b"), check("c")))
    checks.wait(USERS, plans(check("a")))
    async with running(checks, sandbox):
        assert sandbox.order == ["more than ten", "a"]


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Results of a namespace displace older results of the same namespace only."""
    monkeypatch.setattr(contract_checks, "MAX_REMEMBERED", 500)
    checks, sandbox = ContractChecks(lambda *_: None), Scripted()
    checks.wait(EVIL, plans(*(check(f"evil{n}") for n in range(20))))
    checks.wait(USERS, plans(check("a")))
    async with running(checks, sandbox):
        known = [n for n in range(20) if checks.known("evil")(check(f"evil{n}"))]
        assert known == [18, 19]
        assert checks.known("shop")(check("a"))


async def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service whose checks stay unknown is planned without them in the end, however often the contracts change."""
    monkeypatch.setattr(contract_checks, "PATIENCE_SECONDS", 0.0)
    checks = ContractChecks(lambda *_: None)
    assert checks.wait(USERS, plans(check("a"))) is None
    monkeypatch.setattr(contract_checks, "PATIENCE_SECONDS", 60.0)
    assert (checks.wait(OTHER, plans(check("a"))) or 0) > 0
    assert checks.wait(OTHER, plans()) is None


async def test_check_without_an_end_is_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault of a check that came to no end is forgotten after a while."""
    checks, sandbox = ContractChecks(lambda *_: None), Scripted()
    checks.wait(USERS, plans(check("broken")))
    async with running(checks, sandbox):
        assert checks.known("shop")(check("broken"))
    monkeypatch.setattr(contract_checks, "RETRY_SECONDS", -1.0)
    checks, sandbox = ContractChecks(lambda *_: None), Scripted()
    checks.wait(USERS, plans(check("broken"), check("whole")))
    async with running(checks, sandbox):
        assert checks.known("shop")(check("broken")) is None
        assert checks.known("shop")(check("whole"))


async def test_sandbox_that_does_not_run(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A sandbox that cannot run is tried again, and no contract is blamed."""
    monkeypatch.setattr(contract_checks, "PAUSE_SECONDS", 0.0)
    checks, sandbox = ContractChecks(lambda *_: None), Scripted()
    sandbox.failures = 2
    checks.wait(USERS, plans(check("a")))
    async with running(checks, sandbox):
        assert sandbox.order == ["a"]
        assert caplog.text.count("no process; again in 0 s") == 2
