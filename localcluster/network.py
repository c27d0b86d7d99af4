"""The cluster's network: a hub, one network namespace per node, and one link between the hub and the machine.

All addresses are from the blocks reserved for documentation (RFC 5737) and collide with no real network. The machine
gets one address on one link, no route to pods or Services, and forwards no packets: pod traffic stays in namespaces.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .errors import LocalClusterError
from .run import run, succeeds

# The links between the machine and the hubs; each cluster gets a free block of four addresses.
HOST_BLOCKS = ipaddress.IPv4Network("198.51.100.0/24")
# The links between a hub and its nodes are visible in the namespaces only; every cluster uses the same addresses.
NODE_BLOCKS = ipaddress.IPv4Network("192.0.2.0/24")
# The pods of all clusters. Each cluster has its own part, because pods of linked clusters connect to each other.
PODS = ipaddress.IPv4Network("10.244.0.0/16")
# Service addresses are not reachable from outside the cluster and are the same in every cluster.
SERVICES = ipaddress.IPv4Network("10.96.0.0/16")
DNS_ADDRESS = "10.96.0.10"

# The hub forwards packets between nodes, and between nodes and the links to other clusters (links.py). It does not
# forward between the machine and pods, nor between two other clusters. Only source addresses that are unique among
# clusters may pass a link. Node addresses are not unique: in ICMP errors from a node the source is replaced by the
# address of the API server.
HUB_RULES = f"""
table inet freehold_hub
delete table inet freehold_hub
table inet freehold_hub {{
  set unique {{ type ipv4_addr; flags interval; elements = {{ {PODS}, {HOST_BLOCKS} }}; }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    iifname "node-*" oifname "node-*" accept
    oifname "link-*" ip saddr {NODE_BLOCKS} icmp type {{ destination-unreachable, time-exceeded }} ip saddr set %s
    iifname "node-*" oifname "link-*" ip saddr @unique accept
    iifname "link-*" oifname "node-*" ip saddr @unique accept
  }}
}}
"""


@dataclass(frozen=True)
class Link:
    """A veth pair with a block of four addresses."""

    block: ipaddress.IPv4Network

    @property
    def near(self) -> str:
        return str(self.block[1])

    @property
    def far(self) -> str:
        return str(self.block[2])


@dataclass(frozen=True)
class NodeNetwork:
    """A node's network: namespace, link to the hub, addresses of its pods and of all pods of the cluster."""

    name: str
    zone: str
    link: Link
    pods: ipaddress.IPv4Network
    cluster_pods: ipaddress.IPv4Network

    @property
    def address(self) -> str:
        return self.link.far


@dataclass(frozen=True)
class ClusterNetwork:
    hub: str
    host_link: Link
    pods: ipaddress.IPv4Network
    nodes: tuple[NodeNetwork, ...]

    @property
    def index(self) -> int:
        """The number of the cluster on this machine; unique among running clusters."""
        return block_index(self.host_link.block)

    @property
    def api_address(self) -> str:
        """The address of the control plane, the same for nodes, pods and the machine."""
        return self.host_link.far


def plan(name: str, zones: tuple[str, ...], host_block: ipaddress.IPv4Network) -> ClusterNetwork:
    """Return the addresses of a cluster with one node per zone; the index of `host_block` selects the pod addresses."""
    blocks = list(NODE_BLOCKS.subnets(new_prefix=30))
    pods = list(PODS.subnets(new_prefix=22))[block_index(host_block)]
    own = list(pods.subnets(new_prefix=24))
    nodes = (
        NodeNetwork(f"{name}-{zone}", zone, Link(blocks[index]), own[index], pods) for index, zone in enumerate(zones)
    )
    return ClusterNetwork(name, Link(host_block), pods, tuple(nodes))


def block_index(host_block: ipaddress.IPv4Network) -> int:
    """Return the index of a block among all blocks for links between the machine and a hub."""
    return list(HOST_BLOCKS.subnets(new_prefix=30)).index(host_block)


def free_host_block(reserved: Iterable[str] = ()) -> ipaddress.IPv4Network:
    """Return a block outside `reserved` that no route of the machine uses; raise LocalClusterError if none is left."""
    routes = json.loads(run(["ip", "-json", "-4", "route", "show", "table", "all"]))
    block = first_free_block([*routes, *({"dst": block} for block in reserved)])
    if block is None:
        raise LocalClusterError(
            f"All addresses of {HOST_BLOCKS} are in use on this machine; a cluster needs four. "
            "See `ip route show`; remove another cluster with `python -m localcluster --name NAME down`."
        )
    return block


def first_free_block(routes: Sequence[Mapping[str, str]]) -> ipaddress.IPv4Network | None:
    """Return the first block that overlaps no route; `routes` has the format of `ip -json route`."""
    used = [ipaddress.IPv4Network(route["dst"], strict=False) for route in routes if route["dst"] != "default"]
    blocks = HOST_BLOCKS.subnets(new_prefix=30)
    return next((block for block in blocks if not any(block.overlaps(taken) for taken in used)), None)


def ensure(network: ClusterNetwork) -> None:
    """Create the missing namespaces, links, addresses and routes."""
    present = namespaces()
    for name in (network.hub, *(node.name for node in network.nodes)):
        if name not in present:
            run(["ip", "netns", "add", name])
        run(["ip", "-n", name, "link", "set", "lo", "up"])
        run(["nsenter", f"--net=/run/netns/{name}", "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"])
    ensure_rules(network)
    _connect_host(network)
    for node in network.nodes:
        _connect_node(network.hub, node)


def ensure_rules(network: ClusterNetwork) -> None:
    """Replace the nftables rules of the hub in one transaction."""
    rules = HUB_RULES % network.api_address
    run(["nsenter", f"--net=/run/netns/{network.hub}", "nft", "-f", "-"], stdin=rules)


def remove(network: ClusterNetwork) -> None:
    """Remove the links and the namespaces; a veth pair is removed with either end."""
    present = namespaces()
    if network.hub in present:
        # Deleted now, not when the last process in the namespace ends: linked hubs then drop their routes at once.
        for wire in json.loads(run(["ip", "-json", "-n", network.hub, "link", "show", "type", "veth"])):
            run(["ip", "-n", network.hub, "link", "delete", wire["ifname"]])
    for name in (*(node.name for node in network.nodes), network.hub):
        if name in present:
            run(["ip", "netns", "delete", name])


def namespaces() -> set[str]:
    listed = run(["ip", "-json", "netns", "list"]).strip()
    return {entry["name"] for entry in json.loads(listed)} if listed else set()


def _connect_host(network: ClusterNetwork) -> None:
    wire = f"{network.hub}-0"
    connect([], wire, network.hub, "host")
    run(["ip", "address", "replace", f"{network.host_link.near}/30", "dev", wire])
    run(["ip", "link", "set", wire, "up"])
    run(["ip", "-n", network.hub, "address", "replace", f"{network.host_link.far}/30", "dev", "host"])
    run(["ip", "-n", network.hub, "link", "set", "host", "up"])


def _connect_node(hub: str, node: NodeNetwork) -> None:
    wire = f"node-{node.zone}"
    connect(["-n", hub], wire, node.name, "eth0")
    run(["ip", "-n", hub, "address", "replace", f"{node.link.near}/30", "dev", wire])
    run(["ip", "-n", hub, "link", "set", wire, "up"])
    run(["ip", "-n", node.name, "address", "replace", f"{node.link.far}/30", "dev", "eth0"])
    run(["ip", "-n", node.name, "link", "set", "eth0", "up"])
    run(["ip", "-n", node.name, "route", "replace", "default", "via", node.link.near])
    # A packet to a removed pod is refused at the node; without this route it would loop between node and hub.
    run(["ip", "-n", node.name, "route", "replace", "unreachable", str(node.pods)])
    run(["ip", "-n", hub, "route", "replace", str(node.pods), "via", node.link.far])


def connect(near: list[str], wire: str, far: str, far_end: str) -> None:
    """Create a veth pair between two namespaces unless both ends exist."""
    ends = [(near, wire), (["-n", far], far_end)]
    present = [end for end in ends if _has_link(*end)]
    if present == ends:
        return
    for where, name in present:
        # The peer is in a deleted namespace that still has processes.
        succeeds(["ip", *where, "link", "delete", name])
    run(["ip", *near, "link", "add", wire, "type", "veth", "peer", "name", far_end, "netns", far])


def _has_link(where: list[str], name: str) -> bool:
    return succeeds(["ip", *where, "link", "show", "dev", name])
