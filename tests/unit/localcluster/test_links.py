"""Links between clusters: no two wires have an address in common, and what cannot be linked is named."""

from __future__ import annotations

import ipaddress
import itertools
import json
from pathlib import Path

import pytest

from localcluster import __main__, links, network, paths
from localcluster.errors import LocalClusterError
from localcluster.locks import locked

CLUSTERS = [network.plan("any", ("a", "b"), block) for block in network.HOST_BLOCKS.subnets(new_prefix=30)]
PAIRS = list(itertools.permutations(CLUSTERS, 2))


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache of clusters that have settings and, as far as the machine says, no network."""
    monkeypatch.setenv("FREEHOLD_CACHE", str(tmp_path))
    monkeypatch.setattr(network, "namespaces", set)
    return tmp_path


def settle(name: str, block: str) -> paths.ClusterPaths:
    where = paths.ClusterPaths(name)
    where.root.mkdir()
    (where.root / "settings.json").write_text(json.dumps({"host_block": block, "audit": False}))
    return where


def test_the_ends_of_a_wire_are_each_others_neighbours() -> None:
    for near, far in PAIRS:
        ends = {links.wire_address(near, far), links.wire_address(far, near)}
        assert ends == set(ipaddress.IPv4Network((min(ends), 31)))


def test_no_two_ends_of_wires_have_the_same_address() -> None:
    addresses = {links.wire_address(near, far) for near, far in PAIRS}
    assert len(addresses) == len(PAIRS)
    assert all(address.is_link_local for address in addresses)


def test_wires_have_names_that_the_kernel_takes_and_hubs_let_through() -> None:
    names = {links.wire_name(far) for far in CLUSTERS}
    assert len(names) == len(CLUSTERS)
    assert all(name.startswith("link-") and len(name) <= 15 for name in names)


@pytest.mark.usefixtures("cache")
def test_a_cluster_is_not_linked_to_itself() -> None:
    with pytest.raises(LocalClusterError, match="west cannot be linked to itself"):
        links.link(paths.ClusterPaths("west"), paths.ClusterPaths("west"))


@pytest.mark.usefixtures("cache")
def test_the_cluster_that_is_not_up_is_named_with_what_brings_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    freehold = settle("freehold", "198.51.100.0/30")
    with pytest.raises(LocalClusterError, match=r"freehold is not up; .* --name freehold up"):
        links.link(freehold, paths.ClusterPaths("west"))
    monkeypatch.setattr(network, "namespaces", lambda: {"freehold"})
    with pytest.raises(LocalClusterError, match=r"west is not up; .* --name west up"):
        links.link(freehold, paths.ClusterPaths("west"))
    assert not paths.ClusterPaths("west").root.exists()


@pytest.mark.usefixtures("cache")
def test_clusters_with_the_same_addresses_are_not_linked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "namespaces", lambda: {"freehold", "west"})
    with pytest.raises(LocalClusterError, match="the same addresses"):
        links.link(settle("freehold", "198.51.100.0/30"), settle("west", "198.51.100.0/30"))


@pytest.mark.usefixtures("cache")
def test_a_cluster_that_goes_is_not_linked_meanwhile() -> None:
    west = paths.ClusterPaths("west")
    with locked(west.lock, "the test"), pytest.raises(LocalClusterError, match="of west is at work"):
        links.link(paths.ClusterPaths(), west)


def test_links_are_made_by_root() -> None:
    assert "link" in __main__.NEED_ROOT
