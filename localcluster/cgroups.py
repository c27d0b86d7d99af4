"""A control group for each node, so that several kubelets share one machine without meeting.

Version 1 has a tree for each controller, version 2 one for all; a node's group is made in every tree there is.
"""

from __future__ import annotations

import time
from pathlib import Path

from .errors import LocalClusterError

MOUNTS = Path("/proc/self/mounts")
# A new group of version 1 has no processors and no memory until it is told which.
CPUSET_FILES = ("cpuset.cpus", "cpuset.mems")
CONTROLLERS = ("cpu", "cpuset", "io", "memory", "pids")
REMOVE_SECONDS = 10.0


def ensure(name: str) -> None:
    """Makes the group `name` at the top of every tree."""
    for tree in trees():
        group = tree / name
        delegated = tree / "cgroup.subtree_control"
        if delegated.exists():
            _delegate(tree, delegated)
        group.mkdir(exist_ok=True)
        for file in CPUSET_FILES:
            if (tree / file).exists() and not (group / file).read_text().strip():
                (group / file).write_text((tree / file).read_text())


def remove(name: str) -> None:
    """Removes the group and those below it, from the leaves up; its processes have ended."""
    for tree in trees():
        group = tree / name
        if group.is_dir():
            below = sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True)
            for path in (*below, group):
                _remove_empty(path)


def trees() -> list[Path]:
    """Where the trees are mounted."""
    mounts = (line.split() for line in MOUNTS.read_text().splitlines())
    return [Path(where) for _, where, kind, *_ in mounts if kind in ("cgroup", "cgroup2")]


def _delegate(tree: Path, delegated: Path) -> None:
    """Version 2: a group has the controllers that the one above it hands down."""
    for controller in set(CONTROLLERS) & set((tree / "cgroup.controllers").read_text().split()):
        delegated.write_text(f"+{controller}")


def _remove_empty(group: Path) -> None:
    """A group is busy for a moment after its last process ended, and there is nothing to watch."""
    deadline = time.monotonic() + REMOVE_SECONDS
    while True:
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise LocalClusterError(f"{group} still has processes after {REMOVE_SECONDS:.0f} s") from error
            time.sleep(0.05)
        else:
            return
