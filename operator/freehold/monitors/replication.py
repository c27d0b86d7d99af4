"""Progress of moves: bytes copied and replication lag, as reported by the database proxies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, computed_field

from freehold.core.model.resources import Key, Ref
from freehold.core.objects import names, pods
from freehold.kube.cache import Cache
from freehold.monitors.answers import ask
from freehold.monitors.rotation import Rotation

ROUND_SECONDS = 2.0
PROXIES_PER_ROUND = 100
MAX_ANSWER_BYTES = 8192
Progress = Mapping[str, Any]
Bytes = Annotated[int, Field(ge=0, lt=2**63, strict=True)]
Host = Annotated[str, Field(max_length=253)]


class Server(BaseModel):
    """The state of a database server, as the proxy sees it."""

    writable: bool
    recovery: bool
    reachable: bool


class Report(BaseModel):
    """The answer of a database proxy (`freehold/agents/postgresql/replication_progress.py`); numbers are bytes, except
    those of connections: sessions, and held ones. in_use: whether the proxy has any."""

    model_config = ConfigDict(extra="ignore")

    servers: dict[Host, Server] = Field(default={}, max_length=8)
    copied: Bytes | None = None
    total: Bytes | None = None
    lag: Bytes | None = None
    losses: Annotated[str, Field(max_length=500)] | None = None
    sessions: Annotated[Bytes, Field(exclude=True)] = 0
    held: Annotated[Bytes, Field(exclude=True)] = 0

    @computed_field  # type: ignore[prop-decorator]
    @property
    def in_use(self) -> bool:
        return self.sessions + self.held > 0


REPORT = TypeAdapter(Report)


class ReplicationMonitor:
    """A monitor that queries all database proxies until cancelled, PROXIES_PER_ROUND in each round.

    progress: the last report of each proxy. on_change: called with the services whose report has
    changed.
    """

    def __init__(self, cache: Cache, on_change: Callable[[Iterable[Key]], None]) -> None:
        self.progress: dict[Key, Progress] = {}
        self._cache = cache
        self._on_change = on_change
        self._rotation = Rotation()

    async def run(self) -> None:
        while True:
            await self._round()
            await asyncio.sleep(ROUND_SECONDS)

    async def _round(self) -> None:
        proxies = {key: host for key in self._cache.local_services if (host := self._address(key))}
        asked = self._rotation.next(proxies, PROXIES_PER_ROUND)
        reports = dict(zip(asked, await asyncio.gather(*(_query(proxies[key]) for key in asked)), strict=True))
        before = self.progress
        current = {key: reports.get(key, before.get(key)) for key in proxies}
        self.progress = {key: report for key, report in current.items() if report}
        self._on_change([key for key in {*before, *self.progress} if before.get(key) != self.progress.get(key)])

    def _address(self, key: Key) -> str:
        """Return the address of a service's database proxy; empty without a ready proxy."""
        stored = self._cache.owned.get(key, {}).get(Ref("Pod", names.proxy_pod(key.name)))
        pod = stored.unpack() if stored else {}
        return str(pod["status"].get("podIP", "")) if pods.is_ready(pod) else ""


async def _query(host: str) -> Progress:
    """Return the report of a database proxy; empty if the proxy is unreachable, or for any other answer."""
    report = await ask(host, names.PORT_PROGRESS, REPORT, MAX_ANSWER_BYTES)
    return report.model_dump() if report else {}
