"""The loop of one node: what changed at the API server or in a sandbox becomes the table in the kernel."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from pathlib import Path

from . import mirror, sandboxes
from .kubeconfig import ApiServer
from .mirror import Mirror
from .model import Labels, Pod, Policy, pod_from, policy_from
from .render import OPEN, TABLE, render
from .switch import Switch

log = logging.getLogger(__name__)

# After a rendering, changes are collected this long; the first change after a quiet time is rendered at once.
_COALESCE_SECONDS = 0.05
_RETRY_SECONDS = 0.5


class NftError(Exception):
    """nft refused a script."""


@dataclass(frozen=True)
class Settings:
    """What an agent is told: its node, the pod addresses of the node and of the cluster, and where to look.

    off_file: while it exists, nothing is enforced.
    """

    node: str
    pod_cidr: str
    cluster_cidr: str | None
    sandboxes: tuple[Path, ...]
    ready_file: Path
    off_file: Path


class Agent:
    """Holds the three mirrors and the sandboxes, and keeps this node's table as they say."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._change = asyncio.Event()
        changed = self._change.set
        self._pods: Mirror[Pod] = Mirror("/api/v1/pods", pod_from, changed)
        self._namespaces: Mirror[Labels] = Mirror(
            "/api/v1/namespaces", lambda obj: obj["metadata"].get("labels") or {}, changed
        )
        self._policies: Mirror[Policy] = Mirror("/apis/networking.k8s.io/v1/networkpolicies", policy_from, changed)
        self._sandboxes = sandboxes.Sandboxes(settings.sandboxes, settings.cluster_cidr or settings.pod_cidr, changed)
        self._switch = Switch(settings.off_file, changed)

    async def run(self, server: ApiServer) -> None:
        """Closes the node unless an earlier agent's table is in force, then follows the cluster until cancelled."""
        if not self._switch.off and not await _table_exists():
            await _apply(self._render([], {}))
        async with mirror.session(server) as http, asyncio.TaskGroup() as tasks:
            for part in (self._pods, self._namespaces, self._policies):
                tasks.create_task(part.run(http))
            tasks.create_task(self._sandboxes.run())
            tasks.create_task(self._switch.run())
            await self._enforce()

    async def _enforce(self) -> None:
        applied = ""
        while True:
            await self._change.wait()
            self._change.clear()
            text = self._wanted()
            if text is None or text == applied:
                continue
            applied = ""
            if await self._applied(text):
                applied = text
                self._settings.ready_file.touch()
            await asyncio.sleep(_COALESCE_SECONDS)

    def _wanted(self) -> str | None:
        """The table for this moment; None while not enough is known to replace the one in force."""
        if self._switch.off:
            return OPEN
        # While one watch is broken, another might show a pod whose policies are not seen: better wait with it.
        if not all(part.current for part in (self._pods, self._namespaces, self._policies)):
            return None
        pods = sandboxes.placed(self._pods.items.values(), self._sandboxes.holders())
        return self._render(pods, {k.removeprefix("/"): v for k, v in self._namespaces.items.items()})

    def _render(self, pods: list[Pod], namespaces: dict[str, Labels]) -> str:
        told = self._settings
        policies = self._policies.items.values()
        return render(pods, namespaces, policies, told.node, told.pod_cidr, told.cluster_cidr)

    async def _applied(self, text: str) -> bool:
        begun = time.monotonic()
        try:
            await _apply(text)
        except NftError as error:
            log.warning("the table in force stays as it was: %s", error)
            asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._change.set)
            return False
        log.info("table replaced: %d lines in %.0f ms", text.count("\n"), (time.monotonic() - begun) * 1000)
        return True


async def _table_exists() -> bool:
    status, _ = await _nft(["list", "tables"], "")
    if status:
        raise NftError("nft cannot list tables: the agent must be root in the node's network namespace")
    return (await _nft(["-t", "list", "table", *TABLE.split()], ""))[0] == 0


async def _apply(script: str) -> None:
    status, said = await _nft(["-f", "-"], script)
    if status:
        raise NftError(said.strip()[:2000])


async def _nft(arguments: list[str], script: str) -> tuple[int, str]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("nft", *arguments, stdin=pipe, stdout=pipe, stderr=pipe)
    _, said = await process.communicate(script.encode())
    return process.returncode or 0, said.decode(errors="replace")
