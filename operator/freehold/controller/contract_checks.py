"""Checks of contracts: queued, run in the sandbox one after another, and remembered.

Each namespace has its own share of the queue and of the memory, and its turn: contracts of one tenant delay or displace
results of other tenants by one check at most.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from freehold.core.model.resources import Key, Plan
from freehold.core.protobuf.checks import Check, Checked, Result
from freehold.sandbox.frames import SandboxError
from freehold.sandbox.process import Sandbox

logger = logging.getLogger(__name__)
MAX_QUEUED, MAX_REMEMBERED = 4 * 1024 * 1024, 8 * 1024 * 1024
"""Bytes of the contracts that wait, and of the results in memory, each for a namespace."""
MAX_CHECKS = 500
"""Checks of a namespace that wait."""
MAX_SERVICES = 10_000
"""Services whose waiting is remembered."""
PATIENCE_SECONDS = 60.0
"""The longest time that a service waits for checks before it is planned without the results."""
AGAIN_SECONDS = 10.0
"""The time after which a waiting service asks again: the queue may have been full."""
RETRY_SECONDS = 600.0
"""The time until a check that came to no end is run again: the machine may have been at fault."""
PAUSE_SECONDS = 10.0
"""The pause after the sandbox could not run."""


class Remembered(NamedTuple):
    """A result. expires: in monotonic seconds; None for a result that stays true. size: bytes, about."""

    result: Result
    expires: float | None
    size: int


class Waiting(NamedTuple):
    """A check in the queue, and the services to wake."""

    check: Check
    services: set[Key]


class ContractChecks:
    """The checks that plans ask for. wake: queues services whose results have arrived."""

    def __init__(self, wake: Callable[..., None]) -> None:
        self._wake = wake
        self._sandbox = Sandbox()
        self._remembered: dict[str, OrderedDict[bytes, Remembered]] = {}
        self._queue: OrderedDict[str, dict[bytes, Waiting]] = OrderedDict()
        self._filled = asyncio.Event()
        self._since: dict[Key, float] = {}

    def known(self, namespace: str) -> Checked:
        """Return the results that are known for the services of a namespace."""
        results = self._remembered.setdefault(namespace, OrderedDict())

        def result(check: Check) -> Result | None:
            digest = _digest(check)
            found = results.get(digest)
            if found is None or (found.expires is not None and found.expires < time.monotonic()):
                return None
            results.move_to_end(digest)
            return found.result

        return result

    def wait(self, key: Key, plans: Iterable[Plan]) -> float | None:
        """Queue the checks that plans ask for. Returns the seconds for the service to wait, or None to go on."""
        checks = [check for plan in plans for check in plan.checks]
        if not checks:
            self._since.pop(key, None)
            return None
        queued = self._queue.setdefault(key.namespace, {})
        for check in checks:
            waiting = queued.get(_digest(check))
            if waiting:
                waiting.services.add(key)
            elif _has_room(queued, check):
                queued[_digest(check)] = Waiting(check, {key})
        self._filled.set()
        if len(self._since) > MAX_SERVICES:
            self._since.clear()  # of services that were deleted while they waited
        left = self._since.setdefault(key, time.monotonic()) + PATIENCE_SECONDS - time.monotonic()
        return min(left, AGAIN_SECONDS) if left > 0 else None

    async def run(self) -> None:
        """Run the checks in the queue until cancelled."""
        try:
            while True:
                await self._filled.wait()
                await self._run_next()
        finally:
            await self._sandbox.stop()

    async def _run_next(self) -> None:
        namespace = next((name for name, queued in self._queue.items() if queued), None)
        if namespace is None:
            self._queue.clear()
            self._filled.clear()
            await self._sandbox.stop()  # an idle process would only take memory
            return
        self._queue.move_to_end(namespace)
        digest, waiting = next(iter(self._queue[namespace].items()))
        try:
            result, ended = await self._sandbox.run(waiting.check)
        except SandboxError as error:
            logger.warning("%s; again in %.0f s", error, PAUSE_SECONDS)
            await asyncio.sleep(PAUSE_SECONDS)
            return
        del self._queue[namespace][digest]
        self._remember(namespace, digest, result, ended=ended)
        self._wake(*waiting.services)

    def _remember(self, namespace: str, digest: bytes, result: Result, *, ended: bool) -> None:
        results = self._remembered.setdefault(namespace, OrderedDict())
        # Plans need no messages of methods, which may be long.
        methods = tuple(each._replace(request="", response="") for each in result.methods)
        result = replace(result, methods=methods, unfinished=not ended)
        results[digest] = Remembered(result, None if ended else time.monotonic() + RETRY_SECONDS, _length(result))
        while len(results) > 1 and sum(each.size for each in results.values()) > MAX_REMEMBERED:
            results.popitem(last=False)


def _digest(check: Check) -> bytes:
    """A digest of a check, the same for equal checks; not the contracts themselves, which are large."""
    digest = hashlib.sha256(check.kind.encode())
    for contract in (check.contract, check.successor):
        digest.update(len(contract).to_bytes(8, "big") + contract)
    return digest.digest()


def _has_room(queued: Mapping[bytes, Waiting], check: Check) -> bool:
    """Return whether a check fits into the queue of a namespace; one check always fits."""
    size = _size(check) + sum(_size(waiting.check) for waiting in queued.values())
    return not queued or (len(queued) < MAX_CHECKS and size <= MAX_QUEUED)


def _size(check: Check) -> int:
    return len(check.contract) + len(check.successor)


def _length(result: Result) -> int:
    """The bytes of a result in memory, about."""
    methods = sum(200 + len(each.name) for each in result.methods)
    breaks = sum(200 + len(each.method) + len(each.element) + len(each.message) for each in result.breaks)
    return 200 + methods + breaks
