"""Connection attempts from inside real pods, with what their images have: bash."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tests.e2e.support.cluster import Object, Space

PATIENCE = 3
"""Seconds until an attempt that nobody answers counts as refused."""


class Target(NamedTuple):
    """An address to connect to; `name` is for people."""

    name: str
    address: str
    port: int


def reached(space: Space, pod: str, targets: Iterable[Target]) -> set[Target]:
    """Those of the targets that answered a connection attempt from where this pod stands. All are tried at once."""
    listed = list(targets)
    attempts = " ".join(
        f"(timeout {PATIENCE} bash -c 'exec 3<>/dev/tcp/{target.address}/{target.port}' 2>/dev/null && echo {number}) &"
        for number, target in enumerate(listed)
    )
    said = space.kubectl("exec", pod, "--", "bash", "-c", f"{attempts} wait")
    return {listed[int(number)] for number in said.split()}


def stranger(name: str, image: str, labels: dict[str, str], command: list[str]) -> Object:
    """A pod that nobody declared, within what a restricted namespace takes."""
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
