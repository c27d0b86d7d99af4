"""The paths of the local cluster. All are in one cache folder; nothing outside the folder remains after `down`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from .errors import LocalClusterError

DEFAULT_NAME = "freehold"


def cache() -> Path:
    """Return the cache folder: $FREEHOLD_CACHE, or else freehold/ in the user's cache folder."""
    named = os.environ.get("FREEHOLD_CACHE")
    if named:
        return Path(named).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).expanduser().resolve() / "freehold"


def tools() -> Path:
    """Return the tools folder: one folder per compiled group, and `current/bin` with links to the newest of each."""
    return cache() / "tools"


def tools_bin() -> Path:
    """Return the folder for PATH, with kubectl, helm, kubelet and the other tools."""
    return tools() / "current" / "bin"


@dataclass(frozen=True)
class ClusterPaths:
    """The paths of one cluster; each cluster has its own name and folder."""

    name: str = DEFAULT_NAME

    def __post_init__(self) -> None:
        """Check the name: interfaces are named `NAME-0`, and the kernel limits interface names to 15 characters."""
        if not re.fullmatch(r"[a-z]([-a-z0-9]{0,11}[a-z0-9])?", self.name):
            raise LocalClusterError(
                f"{self.name!r} is not a valid cluster name: use at most 13 lower-case letters, digits and dashes, "
                "starting with a letter"
            )

    @property
    def root(self) -> Path:
        return cache() / ("cluster" if self.name == DEFAULT_NAME else f"cluster-{self.name}")

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, for kubectl and helm."""
        return self.root / "kubeconfig"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def audit_log(self) -> Path:
        """The API server's audit log; exists if the cluster runs with `--audit`."""
        return self.machine("control-plane") / "logs" / "audit.log"

    @property
    def policies_off(self) -> Path:
        """The file that turns network policy enforcement off on all nodes while present."""
        return self.root / "network-policy" / "off"

    @property
    def lock(self) -> Path:
        """The lock that `up`, `down` and `link` hold, so that only one of them changes a cluster at a time."""
        return cache() / "locks" / self.name

    def machine(self, machine: str) -> Path:
        """Return the folder with state, configuration and logs of a machine (the control plane or a node)."""
        return self.root / machine
