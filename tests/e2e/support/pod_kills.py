"""A crash as it happens: a pod's processes are gone from one moment to the next, and nobody was told."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from hack.stage import SYSTEM_NAMESPACE
from localcluster.cgroups import trees
from tests.e2e.support.cluster import Object, Space

SANDBOX = "pause"
"""Holds the pod's network; a crashed service leaves it behind."""


def kill(pod: Object) -> int:
    """SIGKILL to every process of a pod's containers, from outside them; how many there were.

    The nodes' control groups are this machine's own, with kind as with the local cluster.
    """
    killed = _kill(pod)
    assert killed, f"no process of pod {pod['metadata']['name']} was found on this machine"
    return killed


def kill_as_it_begins(pod: Object, within: float = 60) -> None:
    """The same to a pod that has been made, as soon as there is a process of it: nothing tells of one sooner."""
    deadline = time.monotonic() + within
    while not _kill(pod):
        assert time.monotonic() < deadline, f"no process of pod {pod['metadata']['name']} began within {within:g} s"
        time.sleep(0.02)


def operator_pod(space: Space) -> Object:
    """The operator's one pod."""
    chosen = ("-n", SYSTEM_NAMESPACE, "-l", "app.kubernetes.io/component=operator")
    (running,) = json.loads(space.cluster.kubectl("get", "pods", *chosen, "-o", "json"))["items"]
    return dict(running)


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
