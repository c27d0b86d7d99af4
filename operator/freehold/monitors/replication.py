"""Progress of moves: bytes copied and replication lag, as reported by the database proxies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from freehold.core.model.resources import Key, Ref
from freehold.core.objects import names, pods
from freehold.kube.cache import Cache

ROUND_SECONDS = 2.0
TIMEOUT_SECONDS = 2.0
MAX_ANSWER_BYTES = 65536
Progress = Mapping[str, Any]


class ReplicationMonitor:
    """A monitor that queries all database proxies until cancelled.

    progress: the last report of each proxy, only for display. on_change: called with the services whose report has
    changed.
    """

    def __init__(self, cache: Cache, on_change: Callable[[Iterable[Key]], None]) -> None:
        self.progress: dict[Key, Progress] = {}
        self._cache = cache
        self._on_change = on_change

    async def run(self) -> None:
        while True:
            proxies = {key: host for key in self._cache.local_services if (host := self._address(key))}
            reports = dict(zip(proxies, await asyncio.gather(*map(_query, proxies.values())), strict=True))
            before, self.progress = self.progress, {key: report for key, report in reports.items() if report}
            self._on_change([key for key in {*before, *self.progress} if before.get(key) != self.progress.get(key)])
            await asyncio.sleep(ROUND_SECONDS)

    def _address(self, key: Key) -> str:
        """Return the address of a service's database proxy; empty without a ready proxy."""
        stored = self._cache.owned.get(key, {}).get(Ref("Pod", names.proxy_pod(key.name)))
        pod = stored.unpack() if stored else {}
        return str(pod["status"]["podIP"]) if pods.is_ready(pod) else ""


async def _query(host: str) -> Progress:
    """Return the report of a database proxy; empty if the proxy is unreachable."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_connection(host, names.PORT_PROGRESS)
            answer = await reader.read(MAX_ANSWER_BYTES)
            writer.close()
        report = json.loads(answer)
    except (OSError, ValueError):
        return {}
    return report if isinstance(report, dict) else {}
