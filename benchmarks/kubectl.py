"""kubectl as a child process."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from localcluster import paths
from localcluster.run import run


def program() -> str:
    """Return the path of kubectl: from the project's tools, otherwise from PATH."""
    ours = paths.tools_bin() / "kubectl"
    return str(ours) if ours.exists() else shutil.which("kubectl") or str(ours)


@dataclass(frozen=True)
class Kubectl:
    """kubectl for a cluster. All methods raise LocalClusterError with the output of kubectl."""

    kubeconfig: Path

    def __call__(self, *arguments: str | Path, stdin: str | None = None, timeout: float = 60) -> str:
        return run(self.command(*arguments), stdin=stdin, timeout=timeout)

    def command(self, *arguments: str | Path) -> list[str]:
        """Return the command line, for callers that start the process themselves."""
        return [program(), f"--kubeconfig={self.kubeconfig}", *map(str, arguments)]

    def apply(self, *objects: dict[str, Any], timeout: float = 120) -> None:
        """Apply all objects in a single call, server-side."""
        self("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(objects), timeout=timeout)

    def items(self, kinds: str, *arguments: str) -> list[dict[str, Any]]:
        """Return the objects of these kinds, unchanged from the API server."""
        listed: dict[str, Any] = json.loads(self("get", kinds, "-o", "json", *arguments))
        items: list[dict[str, Any]] = listed["items"]
        return items

    def wait_ready(self, *arguments: str, seconds: int) -> None:
        """Wait until all named or selected Microservices are Ready."""
        self("wait", "--for=condition=Ready", "microservice", f"--timeout={seconds}s", *arguments, timeout=seconds + 10)
