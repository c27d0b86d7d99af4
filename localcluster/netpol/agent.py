"""The loop of one node: changes at the API server or of sandboxes become an nftables table in the kernel."""

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

# The time during which changes are collected after a rendering; the first change after an idle period is immediate.
_COALESCE_SECONDS = 0.05
_RETRY_SECONDS = 0.5


class NftError(Exception):
    """nft rejected a script."""


@dataclass(frozen=True)
class Settings:
    """The settings of an agent: its node, the pod addresses of node and cluster, and the paths of its files.

    sandboxes: folders with libcni results.
    ready_file: created once the first table is in force.
    off_file: while present, no policy is enforced.
    """

    node: str
    pod_cidr: str
    cluster_cidr: str | None
    sandboxes: tuple[Path, ...]
    ready_file: Path
    off_file: Path


class Agent:
    """Holds mirrors of three resources and the sandboxes, and keeps the node's table up to date."""

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
        """Isolate the node unless an earlier agent's table is in force, then follow the cluster until cancelled."""
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
        """Return the current table, or None while the information is too incomplete to replace the one in force."""
        if self._switch.off:
            return OPEN
        # While one watch is interrupted, another may show a pod without its policies: keep the table in force.
        if not all(part.current for part in (self._pods, self._namespaces, self._policies)):
            return None
        pods = sandboxes.placed(self._pods.items.values(), self._sandboxes.holders())
        return self._render(pods, {k.removeprefix("/"): v for k, v in self._namespaces.items.items()})

    def _render(self, pods: list[Pod], namespaces: dict[str, Labels]) -> str:
        settings = self._settings
        policies = self._policies.items.values()
        return render(pods, namespaces, policies, settings.node, settings.pod_cidr, settings.cluster_cidr)

    async def _applied(self, text: str) -> bool:
        started = time.monotonic()
        try:
            await _apply(text)
        except NftError as error:
            log.warning("nft rejected the new table, the old one stays in force: %s", error)
            asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._change.set)
            return False
        log.info("table replaced: %d lines in %.0f ms", text.count("\n"), (time.monotonic() - started) * 1000)
        return True


async def _table_exists() -> bool:
    status, _ = await _nft(["list", "tables"], "")
    if status:
        raise NftError("nft cannot list tables: the agent must be root in the node's network namespace")
    return (await _nft(["-t", "list", "table", *TABLE.split()], ""))[0] == 0


async def _apply(script: str) -> None:
    status, output = await _nft(["-f", "-"], script)
    if status:
        raise NftError(output.strip()[:2000])


async def _nft(arguments: list[str], script: str) -> tuple[int, str]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("nft", *arguments, stdin=pipe, stdout=pipe, stderr=pipe)
    _, output = await process.communicate(script.encode())
    return process.returncode or 0, output.decode(errors="replace")
