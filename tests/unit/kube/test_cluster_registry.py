"""The registry of remote clusters: what the platform team may register, and what an invalid entry costs."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from freehold.kube import addresses, cluster_registry
from freehold.kube.cluster_registry import NotRegisteredError

from tests.unit.kube.remote_server import authority

WEST = {"server": "https://West.example", "podCIDRs": ["10.2.0.0/16", "fd00:2::/48"]}


def registry(entry: dict[str, Any] | None = None, **whole: Any) -> cluster_registry.Registry:
    """Return a registry with cluster west; `entry` replaces fields."""
    west = {**WEST, "certificateAuthority": authority().public.trusted, **(entry or {})}
    text = yaml.safe_dump({"clusters": {"west": west}, **whole})
    return cluster_registry.parse({"data": {"clusters.yaml": text}})


def test_registered_cluster() -> None:
    """A registered cluster has a server with port, an authority, and the blocks of its pods."""
    found = registry(localCIDRs=["10.1.0.0/16"])
    west = found.cluster("west")
    assert west.server == "https://west.example:443"
    assert [str(block) for block in west.pod_cidrs] == WEST["podCIDRs"]
    assert found.is_local(addresses.parse("10.1.0.9")) and not found.is_local(addresses.parse("10.2.0.9"))


def test_absent_registry_registers_nothing() -> None:
    """Without the ConfigMap no cluster is registered, and the message says whom to ask."""
    with pytest.raises(NotRegisteredError, match="west is not registered; ask the platform team to register"):
        cluster_registry.parse(None).cluster("west")


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({"server": "http://west.example"}, "is not https://host:port"),
        ({"server": "https://west.example/path?x="}, "is not https://host:port"),
        ({"server": "https://user@west.example"}, "is not https://host:port"),
        ({"server": "https://169.254.169.254"}, "link-local, multicast or metadata"),
        ({"server": "https://[::ffff:169.254.169.254]"}, "link-local, multicast or metadata"),
        ({"server": "https://127.1"}, "is a number that is no address"),
        ({"server": "https://2130706433"}, "is a number that is no address"),
        ({"server": "https://0x7f000001"}, "is a number that is no address"),
        ({"server": "https://west.example:0"}, "is not https://host:port"),
        ({"certificateAuthority": "none"}, "is not PEM"),
        ({"podCIDRs": []}, "podCIDRs"),
        ({"podCIDRs": ["10.2.0.1/16"]}, "podCIDRs"),
        ({"token": "x"}, "token"),
        ({"expirySeconds": 1}, "expirySeconds"),
    ],
)
def test_invalid_entry_named(entry: dict[str, Any], fault: str) -> None:
    """An entry that cannot be used is reported under the cluster's name, with the field."""
    with pytest.raises(NotRegisteredError, match=r"cluster west cannot be used .*ask the platform team") as error:
        registry(entry).cluster("west")
    assert fault in str(error.value)


def test_invalid_entry_spoils_no_other() -> None:
    """An invalid entry leaves the other clusters registered."""
    good = {**WEST, "certificateAuthority": authority().public.trusted}
    found = registry({"server": ""}, clusters={"west": {"server": ""}, "east": good})
    assert found.cluster("east").server == "https://west.example:443"


@pytest.mark.parametrize("text", ["[]", "clusters: []\nlocalCIDRs: 7", "{", "clusters: 3", "localCIDRs: [x]"])
def test_other_text_registers_nothing(text: str) -> None:
    """A ConfigMap with other text registers no cluster, and says so."""
    with pytest.raises(NotRegisteredError):
        cluster_registry.parse({"data": {"clusters.yaml": text}}).cluster("west")


@pytest.mark.parametrize("text", ["fe80::1%eth0", "::ffff:10.0.0.1", "010.0.0.1", "10.0.0.1 ", "host"])
def test_addresses_read_strictly(text: str) -> None:
    """An IPv4 address in IPv6 form is the IPv4 address; zones and other forms are refused."""
    if text == "::ffff:10.0.0.1":
        assert str(addresses.parse(text)) == "10.0.0.1"
        return
    with pytest.raises(ValueError, match=r"."):
        addresses.parse(text)
