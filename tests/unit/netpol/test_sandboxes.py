"""Tests of address holders when the network plugin and the API server disagree."""

from __future__ import annotations

import dataclasses
from ipaddress import IPv4Address

from localcluster.netpol.model import Pod, pod_from
from localcluster.netpol.sandboxes import placed
from tests.unit.netpol.worlds import pod

ADDRESS, OTHER = int(IPv4Address("10.244.0.5")), int(IPv4Address("10.244.0.6"))


def parsed(name: str, address: str) -> Pod:
    found = pod_from(pod(f"shop/{name}", address, {}))
    assert found
    return found


def addresses(pods: list[Pod], sandboxes: dict[int, str]) -> dict[str, tuple[int, ...]]:
    return {pod.name: pod.addresses for pod in placed(pods, sandboxes)}


def test_placed_before_publication() -> None:
    """A pod has the address of its sandbox before the API server publishes the address."""
    waiting = dataclasses.replace(parsed("users", "10.244.0.5"), addresses=())
    assert addresses([waiting], {ADDRESS: "uid-of-shop/users"}) == {"users": (ADDRESS,)}


def test_placed_reassigned_address() -> None:
    """A reassigned address belongs to the pod of the new sandbox."""
    old, new = parsed("old", "10.244.0.5"), parsed("new", "10.244.0.6")
    assert addresses([old, new], {ADDRESS: "uid-of-shop/new"}) == {"old": (), "new": (ADDRESS, OTHER)}


def test_placed_unknown_sandbox() -> None:
    """An address whose sandbox belongs to no known pod has no holder."""
    assert addresses([parsed("users", "10.244.0.5")], {ADDRESS: "not-seen-yet"}) == {"users": ()}


def test_placed_without_sandbox() -> None:
    """Without a sandbox, the published address counts."""
    assert addresses([parsed("users", "10.244.0.5")], {}) == {"users": (ADDRESS,)}
