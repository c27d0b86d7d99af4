"""Where everything of the local cluster lives: one cache folder, and nothing outside it that outlives `down`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from .errors import LocalClusterError

DEFAULT_NAME = "freehold"


def cache() -> Path:
    """The cache folder: $FREEHOLD_CACHE, else freehold/ in the user's cache folder."""
    named = os.environ.get("FREEHOLD_CACHE")
    if named:
        return Path(named).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).expanduser().resolve() / "freehold"


def tools() -> Path:
    """One folder for each compiled group of tools, and `current/bin`, which links to the newest of each."""
    return cache() / "tools"


def tools_bin() -> Path:
    """The folder to put on PATH: kubectl, helm, kubelet, …"""
    return tools() / "current" / "bin"


@dataclass(frozen=True)
class ClusterPaths:
    """The state of one cluster. A second cluster gets a second name and so a second folder."""

    name: str = DEFAULT_NAME

    def __post_init__(self) -> None:
        """A link of the machine is called `NAME-0`, and the kernel gives such names 15 characters."""
        if not re.fullmatch(r"[a-z]([-a-z0-9]{0,11}[a-z0-9])?", self.name):
            raise LocalClusterError(
                f"{self.name!r} cannot name a cluster: at most 13 lower-case letters, digits and dashes, a letter first"
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
        """What the API server was asked, where the cluster was brought up with `--audit`."""
        return self.machine("control-plane") / "logs" / "audit.log"

    @property
    def policies_off(self) -> Path:
        """While this file exists, no node enforces network policies; all nodes look at the same one."""
        return self.root / "network-policy" / "off"

    @property
    def lock(self) -> Path:
        """Held while `up`, `down` or `link` runs, so that two of them never work on one cluster."""
        return cache() / "locks" / self.name

    def machine(self, machine: str) -> Path:
        """State, configuration and logs of one machine (the control plane or a node)."""
        return self.root / machine
