"""kubectl, as a user runs it."""

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
    """The kubectl of the project's tools, or the user's own."""
    ours = paths.tools_bin() / "kubectl"
    return str(ours) if ours.exists() else shutil.which("kubectl") or str(ours)


@dataclass(frozen=True)
class Kubectl:
    """kubectl for one cluster. Its methods raise LocalClusterError with what kubectl said."""

    kubeconfig: Path

    def __call__(self, *arguments: str | Path, stdin: str | None = None, timeout: float = 60) -> str:
        return run(self.command(*arguments), stdin=stdin, timeout=timeout)

    def command(self, *arguments: str | Path) -> list[str]:
        """What is run, for whoever must see to it while it runs."""
        return [program(), f"--kubeconfig={self.kubeconfig}", *map(str, arguments)]

    def apply(self, *objects: dict[str, Any], timeout: float = 120) -> None:
        """All at once, server-side."""
        self("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(objects), timeout=timeout)

    def items(self, kinds: str, *arguments: str) -> list[dict[str, Any]]:
        """The objects of these kinds, as the API server gives them."""
        listed: dict[str, Any] = json.loads(self("get", kinds, "-o", "json", *arguments))
        items: list[dict[str, Any]] = listed["items"]
        return items

    def wait_ready(self, *arguments: str, seconds: int) -> None:
        """Until every Microservice that is named or selected is Ready."""
        self("wait", "--for=condition=Ready", "microservice", f"--timeout={seconds}s", *arguments, timeout=seconds + 10)
