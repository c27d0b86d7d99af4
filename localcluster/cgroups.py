"""One control group per node, so that several kubelets on one machine do not interfere with each other.

cgroup v1 has one hierarchy per controller, cgroup v2 a single one; the node's group is created in every hierarchy.
"""

from __future__ import annotations

import time
from pathlib import Path

from .errors import LocalClusterError

MOUNTS = Path("/proc/self/mounts")
# A new v1 cpuset group has no processors and no memory nodes until both files are written.
CPUSET_FILES = ("cpuset.cpus", "cpuset.mems")
CONTROLLERS = ("cpu", "cpuset", "io", "memory", "pids")
REMOVE_SECONDS = 10.0


def ensure(name: str) -> None:
    """Create the group `name` at the top of every hierarchy."""
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
    """Remove the group and its descendants, children first; call only after the processes have ended."""
    for tree in trees():
        group = tree / name
        if group.is_dir():
            below = sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True)
            for path in (*below, group):
                _remove_empty(path)


def trees() -> list[Path]:
    """Return the mount points of the cgroup hierarchies."""
    mounts = (line.split() for line in MOUNTS.read_text().splitlines())
    return [Path(mount_point) for _, mount_point, kind, *_ in mounts if kind in ("cgroup", "cgroup2")]


def _delegate(tree: Path, delegated: Path) -> None:
    """cgroup v2: enable the controllers for the children of the top-level group."""
    for controller in set(CONTROLLERS) & set((tree / "cgroup.controllers").read_text().split()):
        delegated.write_text(f"+{controller}")


def _remove_empty(group: Path) -> None:
    """Remove one group; retry, because a group stays busy for a moment after its last process ended."""
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
