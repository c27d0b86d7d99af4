"""Who holds an address when the network plugin and the API server tell different things."""

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


def test_a_pod_has_its_sandboxs_address_before_it_is_published() -> None:
    waiting = dataclasses.replace(parsed("users", "10.244.0.5"), addresses=())
    assert addresses([waiting], {ADDRESS: "uid-of-shop/users"}) == {"users": (ADDRESS,)}


def test_an_address_with_a_new_sandbox_leaves_the_pod_that_published_it() -> None:
    old, new = parsed("old", "10.244.0.5"), parsed("new", "10.244.0.6")
    assert addresses([old, new], {ADDRESS: "uid-of-shop/new"}) == {"old": (), "new": (ADDRESS, OTHER)}


def test_an_address_whose_sandbox_belongs_to_no_known_pod_is_nobodys() -> None:
    assert addresses([parsed("users", "10.244.0.5")], {ADDRESS: "not-seen-yet"}) == {"users": ()}


def test_without_a_sandbox_the_published_address_counts() -> None:
    assert addresses([parsed("users", "10.244.0.5")], {}) == {"users": (ADDRESS,)}
