"""What the doors of moves tell of them: how much is copied, and how far the copy is behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from freehold.core.model.resources import Key, Ref
from freehold.core.objects import names, pods
from freehold.kube.cache import Cache

ROUND_SECONDS = 2.0
PATIENCE_SECONDS = 2.0
LONGEST_ANSWER = 65536
Told = Mapping[str, Any]


class ReplicationMonitor:
    """Asks every door that stands, until cancelled. told: what each said last; nothing hangs on it but what people
    read. turned: called with the services of which something else is told than before."""

    def __init__(self, cache: Cache, turned: Callable[[Iterable[Key]], None]) -> None:
        self.told: dict[Key, Told] = {}
        self._cache = cache
        self._turned = turned

    async def run(self) -> None:
        while True:
            standing = {key: host for key in self._cache.here if (host := self._address(key))}
            told = dict(zip(standing, await asyncio.gather(*map(_query, standing.values())), strict=True))
            before, self.told = self.told, {key: said for key, said in told.items() if said}
            self._turned([key for key in {*before, *self.told} if before.get(key) != self.told.get(key)])
            await asyncio.sleep(ROUND_SECONDS)

    def _address(self, key: Key) -> str:
        """Of the service's door, if it stands."""
        stored = self._cache.owned.get(key, {}).get(Ref("Pod", names.proxy_pod(key.name)))
        pod = stored.unpack() if stored else {}
        return str(pod["status"]["podIP"]) if pods.is_ready(pod) else ""


async def _query(host: str) -> Told:
    """What one door tells; nothing, while it cannot be reached."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            reader, writer = await asyncio.open_connection(host, names.PORT_PROGRESS)
            answer = await reader.read(LONGEST_ANSWER)
            writer.close()
        said = json.loads(answer)
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}
