"""Leadership: of several operators, the holder of the Lease acts, and the others stand by with warm caches."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

from freehold.controller.settings import Settings
from freehold.kube.client import Api
from freehold.kube.lease import Lease

logger = logging.getLogger(__name__)
RENEW_SECONDS = 2.0
POLL_SECONDS = 1.0
"""The interval at which a standby reads the Lease. After a kill of the leader the standby takes over within
LEASE_SECONDS and two intervals, after a clean end within one."""
Work = Callable[[], Coroutine[Any, Any, None]]


def lease(api: Api, settings: Settings) -> Lease:
    """Return the Lease of the settings, with an identity of this process."""
    name = settings.pod.get("name") or socket.gethostname()
    return Lease(api, settings.home, settings.lease, f"{name}_{uuid.uuid4()}")


async def act(lease: Lease | None, work: Work) -> None:
    """Run the work until cancelled; with a Lease, only while it is held.

    If the work fails, the process ends: the standby takes over, and the kubelet starts the process again.
    """
    try:
        await (_compete(lease, work) if lease else work())
    except Exception:
        logger.exception("the operator cannot work; the process ends")
        signal.raise_signal(signal.SIGTERM)


async def _compete(lease: Lease, work: Work) -> None:
    """Run the work whenever the Lease is held, until cancelled; the work is cancelled when the Lease is lost.

    Gives the Lease up at the end. Raises the exception of failed work.
    """
    try:
        while True:
            await _acquire(lease)
            task = asyncio.create_task(work())
            try:
                await _renew(lease, task)
            finally:
                task.cancel()
                await asyncio.wait([task])
            if not task.cancelled():
                task.result()
            logger.warning("lost the lease to %s; standing by", lease.holder or "nobody yet")
    finally:
        await lease.release()


async def _acquire(lease: Lease) -> None:
    """Return once the Lease is held."""
    leader = ""
    while not await lease.acquire():
        if lease.holder != leader:
            leader = lease.holder
            logger.info("standing by; the leader is %s", leader or "not known")
        await asyncio.sleep(POLL_SECONDS)
    logger.info("leading as %s%s", lease.identity, f", after {leader}" if leader else "")


async def _renew(lease: Lease, task: asyncio.Task[None]) -> None:
    """Renew the Lease until it is lost, or until the task ends."""
    while await lease.acquire():
        await asyncio.wait([task], timeout=RENEW_SECONDS)
        if task.done():
            return
