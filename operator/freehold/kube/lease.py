"""Leader election by a Lease, with the rules of client-go's package leaderelection.

The holder renews the Lease; a candidate takes it over once the Lease has not changed for its duration. Clocks of
different machines are never compared: a candidate measures the time since it saw the last change, on its own monotonic
clock. Each write carries the resourceVersion that was read, so that of two candidates one is refused.

The holder may act for RENEW_DEADLINE_SECONDS after the begin of its last successful renewal, which ends before any
candidate may take over.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from freehold.core.model.resources import Object
from freehold.kube.client import Api
from freehold.kube.errors import ClusterError
from freehold.kube.kinds import Kind

logger = logging.getLogger(__name__)
KIND = Kind("Lease", "coordination.k8s.io/v1", "leases")
LEASE_SECONDS = 10
RENEW_DEADLINE_SECONDS = 7.0


class Lease:
    """A Lease for which this process competes under an identity. holder: as last seen; empty if nobody holds it."""

    def __init__(
        self, api: Api, namespace: str, name: str, identity: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.name = name
        self.identity = identity
        self.holder = ""
        self._api = api
        self._namespace = namespace
        self._clock = clock
        self._seen: Object = {}
        self._seen_at = 0.0
        self._valid_until = 0.0

    def held(self) -> bool:
        """Return whether this process may act as the leader now. The answer needs no request."""
        return self.seconds_left() > 0

    def seconds_left(self) -> float:
        """Return the time for which this process may act without a further renewal; not positive if it may not act."""
        return self._valid_until - self._clock()

    async def acquire(self) -> bool:
        """Take or renew the Lease, with one attempt. Returns whether this process is the leader.

        Errors of the API server are logged; a holder stays the leader until its deadline.
        """
        begun = self._clock()
        try:
            async with asyncio.timeout(self._valid_until - begun if self.held() else RENEW_DEADLINE_SECONDS):
                if await self._write(begun):
                    self._valid_until = begun + RENEW_DEADLINE_SECONDS
                else:
                    self._valid_until = 0.0
        except (ClusterError, TimeoutError) as error:
            logger.warning("cannot read or renew lease %s: %s", self.name, str(error) or "no answer in time")
        return self.held()

    async def release(self) -> None:
        """Give the Lease up, so that a candidate takes over at once. An error is logged: the Lease expires anyway."""
        if not self.held():
            return
        self._valid_until = 0.0
        try:
            async with asyncio.timeout(RENEW_DEADLINE_SECONDS / 2):
                live = await self._read()
                if live and self.holder == self.identity:
                    await self._patch(live, {"holderIdentity": "", "leaseDurationSeconds": 1})
                    logger.info("released lease %s", self.name)
        except (ClusterError, TimeoutError) as error:
            logger.warning("cannot release lease %s: %s", self.name, str(error) or "no answer in time")

    async def close(self) -> None:
        await self._api.close()

    async def _read(self) -> Object | None:
        """Return the Lease, and record when its content was first seen."""
        live = await self._api.get(KIND, self._namespace, self.name)
        spec = live.get("spec", {}) if live else self._seen  # a deleted Lease counts until it would have expired
        if spec != self._seen:
            self._seen, self._seen_at = spec, self._clock()
        self.holder = str(spec.get("holderIdentity") or "")
        return live

    async def _write(self, now: float) -> bool:
        """Write this process as the holder, unless another process holds the Lease. now: on the monotonic clock."""
        live = await self._read()
        mine = self.holder == self.identity
        lasts = int(self._seen.get("leaseDurationSeconds") or LEASE_SECONDS)
        if self.holder and not mine and now < self._seen_at + lasts:
            return False
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": self.identity, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": moment}
        if not (mine and live):
            transitions = int(self._seen.get("leaseTransitions") or 0) + (1 if live else 0)
            spec |= {"acquireTime": moment, "leaseTransitions": transitions}
        if live is None:
            metadata = {"name": self.name, "namespace": self._namespace}
            body = {"apiVersion": KIND.api, "kind": KIND.name, "metadata": metadata, "spec": spec}
            await self._api.create(KIND, self._namespace, body)
        else:
            await self._patch(live, spec)
        self.holder = self.identity
        return True

    async def _patch(self, live: Object, spec: Object) -> None:
        """Write fields of the version that was read. Raises ClusterError if another writer was first."""
        metadata = {"resourceVersion": live["metadata"]["resourceVersion"]}
        await self._api.merge(KIND, self._namespace, self.name, {"metadata": metadata, "spec": spec})
