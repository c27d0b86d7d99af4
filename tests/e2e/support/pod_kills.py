"""Pod crashes: SIGKILL to all processes of a pod, from outside and without notice to the cluster."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from localcluster.cgroups import trees
from tests.e2e.support.cluster import Object, Space

SANDBOX = "pause"
"""The process that holds the pod's network namespace; a crash of a service does not end it."""


def kill(pod: Object) -> int:
    """Send SIGKILL to every process of a pod's containers; return the number of processes.

    The processes are found by the pod's control group, which is on this machine with kind and the local cluster.
    """
    killed = _kill(pod)
    assert killed, f"no process of pod {pod['metadata']['name']} was found on this machine"
    return killed


def kill_as_it_begins(pod: Object, within: float = 60) -> None:
    """Kill a pod's processes as soon as the first exists. The control group is polled: no event is earlier."""
    deadline = time.monotonic() + within
    while not _kill(pod):
        assert time.monotonic() < deadline, f"no process of pod {pod['metadata']['name']} began within {within:g} s"
        time.sleep(0.02)


def operator_pod(space: Space) -> Object:
    """Return the operator's pod that leads."""
    return space.cluster.leader()


def runs(pod: Object) -> bool:
    """running, and not on its way out"""
    return pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]


def _kill(pod: Object) -> int:
    return sum(_ended(pid) for pid in set(_processes(pod["metadata"]["uid"])))


def _processes(uid: str) -> Iterator[int]:
    for tree in trees():
        for form in (uid, uid.replace("-", "_")):  # the systemd driver of control groups writes underscores
            for group in tree.rglob(f"*pod{form}*"):
                yield from (int(pid) for file in group.rglob("cgroup.procs") for pid in file.read_text().split())


def _ended(pid: int) -> bool:
    try:
        if Path(f"/proc/{pid}/comm").read_text().strip() == SANDBOX:
            return False
        os.kill(pid, signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return True
