"""Many watches of a real API server."""

from __future__ import annotations

import asyncio

from freehold.kube import kinds
from freehold.kube.client import Api, connect_to

from tests.api.cluster import Cluster

WATCHES = 300


async def test_requests_pass_hundreds_of_watches(cluster: Cluster, home: str) -> None:
    """With 300 open watches a request is answered at once."""
    cluster.create({"kind": "Secret", "metadata": {"namespace": home, "name": "token"}})
    connection, _ = await connect_to(str(cluster.kubeconfig), None)
    api, opened = Api(connection), asyncio.Semaphore(0)

    async def watch() -> None:
        async for change, _ in api.watch(kinds.SECRET, home, "", "0"):  # 0: begins with all objects
            if change == "ADDED":
                opened.release()

    watches = [asyncio.create_task(watch()) for _ in range(WATCHES)]
    try:
        async with asyncio.timeout(30):
            for _ in watches:
                await opened.acquire()
        async with asyncio.timeout(5):
            assert await api.get(kinds.SECRET, home, "token")
    finally:
        for task in watches:
            task.cancel()
        await asyncio.gather(*watches, return_exceptions=True)
        await api.close()
