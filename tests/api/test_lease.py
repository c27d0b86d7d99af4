"""The Lease: one holder, takeover after its duration, and a holder that knows when it may not act any more.

Each party has a clock of its own, which tests move.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import count

import pytest
from freehold.kube.client import Api, connect_to
from freehold.kube.lease import KIND, LEASE_SECONDS, RENEW_DEADLINE_SECONDS, Lease

from tests.api.cluster import Cluster

HOME = "freehold-system"
NAMES = (f"lease-{number}" for number in count())


class Party:
    """A process that competes for a Lease; now: on its own clock, in seconds."""

    def __init__(self, api: Api, lease: str, identity: str, now: float) -> None:
        self.now = now
        self.lease = Lease(api, HOME, lease, identity, lambda: self.now)

    async def acquires(self) -> bool:
        return await self.lease.acquire()


@pytest.fixture
async def api(cluster: Cluster) -> AsyncIterator[Api]:
    api = Api((await connect_to(str(cluster.kubeconfig), None))[0])
    yield api
    await api.close()


@pytest.fixture
def parties(api: Api) -> Callable[[str, float], Party]:
    """A maker of parties for one Lease, by identity and time on the party's clock."""
    name = next(NAMES)
    return lambda identity, now: Party(api, name, identity, now)


async def test_lease_taken_over(parties: Callable[[str, float], Party]) -> None:
    """A Lease that is not renewed is taken over after its duration, however far the clocks are apart."""
    first, second = parties("first", 100.0), parties("second", 9000.0)
    assert await first.acquires()
    assert not await second.acquires()
    assert second.lease.holder == "first"

    second.now += LEASE_SECONDS - 0.1
    assert not await second.acquires()
    second.now += 0.1
    assert await second.acquires()
    assert not await first.acquires()
    assert (first.lease.held(), second.lease.held(), first.lease.holder) == (False, True, "second")


async def test_lease_renewed(parties: Callable[[str, float], Party]) -> None:
    """A renewal keeps the Lease for its whole duration."""
    first, second = parties("first", 0.0), parties("second", 0.0)
    assert await first.acquires()
    for _ in range(3):
        assert not await second.acquires()
        first.now += 2.0
        second.now += LEASE_SECONDS - 0.1
        assert await first.acquires()
        assert not await second.acquires()


async def test_lease_deadline(parties: Callable[[str, float], Party]) -> None:
    """A holder may not act after the deadline, although nobody told it, and may again once it has renewed."""
    first = parties("first", 0.0)
    assert await first.acquires()
    first.now += RENEW_DEADLINE_SECONDS - 0.1
    assert first.lease.held()
    first.now += 0.1
    assert not first.lease.held()
    assert await first.acquires()
    assert RENEW_DEADLINE_SECONDS < LEASE_SECONDS


async def test_lease_released(parties: Callable[[str, float], Party]) -> None:
    """A Lease that its holder gives up is taken over at once."""
    first, second = parties("first", 0.0), parties("second", 0.0)
    assert await first.acquires()
    assert not await second.acquires()
    await first.lease.release()
    assert not first.lease.held()
    assert await second.acquires()


async def test_lease_one_winner(parties: Callable[[str, float], Party]) -> None:
    """Of several candidates for a free Lease, new or given up, exactly one gets it."""
    for _ in range(3):
        candidates = [parties(f"candidate-{number}", 0.0) for number in range(6)]
        won = await asyncio.gather(*(candidate.acquires() for candidate in candidates))
        assert sum(won) == 1
        await candidates[won.index(True)].lease.release()


async def test_lease_deleted(cluster: Cluster, parties: Callable[[str, float], Party]) -> None:
    """A Lease that somebody deletes is made again by its holder; a candidate waits for its duration."""
    first, second = parties("first", 0.0), parties("second", 0.0)
    assert await first.acquires()
    assert not await second.acquires()
    path = KIND.path(HOME, first.lease.name)
    cluster.request("DELETE", path)
    second.now += 1.0
    assert not await second.acquires()
    assert await first.acquires()
    cluster.request("DELETE", path)
    second.now += LEASE_SECONDS
    assert await second.acquires()
