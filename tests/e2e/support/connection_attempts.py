"""Connection attempts from inside pods, by bash, which every image of the shop has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tests.e2e.support.cluster import Object, Space

PATIENCE = 3
"""Seconds until an attempt without an answer counts as refused."""


class Target(NamedTuple):
    """An address to connect to. name: for failure messages."""

    name: str
    address: str
    port: int


def reached(space: Space, pod: str, targets: Iterable[Target]) -> set[Target]:
    """Return the targets that accepted a connection from this pod. All are tried at once."""
    listed = list(targets)
    attempts = " ".join(
        f"(timeout {PATIENCE} bash -c 'exec 3<>/dev/tcp/{target.address}/{target.port}' 2>/dev/null && echo {number}) &"
        for number, target in enumerate(listed)
    )
    said = space.kubectl("exec", pod, "--", "bash", "-c", f"{attempts} wait")
    return {listed[int(number)] for number in said.split()}


def stranger(name: str, image: str, labels: dict[str, str], command: list[str]) -> Object:
    """Return an unmanaged pod that the restricted Pod Security Standard admits."""
    security = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {"name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "command": command}
    spec = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "containers": [{**container, "securityContext": security}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}
