"""Tests of links between clusters: unique addresses, and errors for clusters that cannot be linked."""

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
    """A cache folder of clusters with settings and without network namespaces."""
    monkeypatch.setenv("FREEHOLD_CACHE", str(tmp_path))
    monkeypatch.setattr(network, "namespaces", set)
    return tmp_path


def settle(name: str, block: str) -> paths.ClusterPaths:
    where = paths.ClusterPaths(name)
    where.root.mkdir()
    (where.root / "settings.json").write_text(json.dumps({"host_block": block, "audit": False}))
    return where


def test_wire_addresses_adjacent() -> None:
    """The two ends of a link are the two addresses of one /31 network."""
    for near, far in PAIRS:
        ends = {links.wire_address(near, far), links.wire_address(far, near)}
        assert ends == set(ipaddress.IPv4Network((min(ends), 31)))


def test_wire_addresses_unique() -> None:
    """No two ends of links have the same address, and all are link-local."""
    addresses = {links.wire_address(near, far) for near, far in PAIRS}
    assert len(addresses) == len(PAIRS)
    assert all(address.is_link_local for address in addresses)


def test_wire_names_valid() -> None:
    """Interface names are unique, within the kernel's length limit, and match the hub's rules."""
    names = {links.wire_name(far) for far in CLUSTERS}
    assert len(names) == len(CLUSTERS)
    assert all(name.startswith("link-") and len(name) <= 15 for name in names)


@pytest.mark.usefixtures("cache")
def test_link_to_itself() -> None:
    """A cluster cannot be linked to itself."""
    with pytest.raises(LocalClusterError, match="west cannot be linked to itself"):
        links.link(paths.ClusterPaths("west"), paths.ClusterPaths("west"))


@pytest.mark.usefixtures("cache")
def test_link_cluster_not_running(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the cluster that is not running, and the command that starts the cluster."""
    freehold = settle("freehold", "198.51.100.0/30")
    with pytest.raises(LocalClusterError, match=r"freehold is not running; .* --name freehold up"):
        links.link(freehold, paths.ClusterPaths("west"))
    monkeypatch.setattr(network, "namespaces", lambda: {"freehold"})
    with pytest.raises(LocalClusterError, match=r"west is not running; .* --name west up"):
        links.link(freehold, paths.ClusterPaths("west"))
    assert not paths.ClusterPaths("west").root.exists()


@pytest.mark.usefixtures("cache")
def test_link_same_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two clusters with the same addresses cannot be linked."""
    monkeypatch.setattr(network, "namespaces", lambda: {"freehold", "west"})
    with pytest.raises(LocalClusterError, match="the same addresses"):
        links.link(settle("freehold", "198.51.100.0/30"), settle("west", "198.51.100.0/30"))


@pytest.mark.usefixtures("cache")
def test_link_locked_cluster() -> None:
    """A cluster that is locked by another command cannot be linked."""
    west = paths.ClusterPaths("west")
    with locked(west.lock, "the test"), pytest.raises(LocalClusterError, match="of west is running"):
        links.link(paths.ClusterPaths(), west)


def test_link_needs_root() -> None:
    """The `link` command checks for root."""
    assert "link" in __main__.NEED_ROOT
