"""The cluster's network: a hub, a namespace for each node around it, and one link to this machine.

Addresses are from the blocks kept for documentation, so that they meet nobody's. This machine gets one of them, on one
link; it learns no route to pods or services and forwards nothing, so none of their packets ever leaves the namespaces.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .errors import LocalClusterError
from .run import run, succeeds

# The link between this machine and the hub: the first block of four that is free here.
HOST_BLOCKS = ipaddress.IPv4Network("198.51.100.0/24")
# The links between the hub and the nodes exist in the namespaces alone, so that every cluster may use the same.
NODE_BLOCKS = ipaddress.IPv4Network("192.0.2.0/24")
# The pods of all clusters. Each has a part of its own, for pods of linked clusters speak to each other.
PODS = ipaddress.IPv4Network("10.244.0.0/16")
# No cluster's services are seen from outside it.
SERVICES = ipaddress.IPv4Network("10.96.0.0/16")
DNS_ADDRESS = "10.96.0.10"

# The hub passes packets between nodes, and between them and the wires to other clusters (links.py); neither this
# machine's to pods, nor pods' to this machine, nor those of one other cluster to the next. What goes over a wire comes
# from an address that one cluster alone has. A node's is none: of a packet that it cannot deliver it says so in the
# name of its API server.
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
    """Two ends of a wire, in a block of four addresses."""

    block: ipaddress.IPv4Network

    @property
    def near(self) -> str:
        return str(self.block[1])

    @property
    def far(self) -> str:
        return str(self.block[2])


@dataclass(frozen=True)
class NodeNetwork:
    """Where a node stands: its namespace, its link to the hub, the addresses of its pods and of all its cluster's."""

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
        """Which of this machine's clusters it is: no two that are up have the same."""
        return block_index(self.host_link.block)

    @property
    def api_address(self) -> str:
        """The address of the control plane, for nodes, pods and this machine alike."""
        return self.host_link.far


def plan(name: str, zones: tuple[str, ...], host_block: ipaddress.IPv4Network) -> ClusterNetwork:
    """The addresses of a cluster with one node a zone; where its block stands among all says which pods are its own."""
    blocks = list(NODE_BLOCKS.subnets(new_prefix=30))
    pods = list(PODS.subnets(new_prefix=22))[block_index(host_block)]
    own = list(pods.subnets(new_prefix=24))
    nodes = (
        NodeNetwork(f"{name}-{zone}", zone, Link(blocks[index]), own[index], pods) for index, zone in enumerate(zones)
    )
    return ClusterNetwork(name, Link(host_block), pods, tuple(nodes))


def block_index(host_block: ipaddress.IPv4Network) -> int:
    """Where a block stands among those for the links between this machine and a hub."""
    return list(HOST_BLOCKS.subnets(new_prefix=30)).index(host_block)


def free_host_block(promised: Iterable[str] = ()) -> ipaddress.IPv4Network:
    """A block of documentation addresses that nothing on this machine uses and no cluster was `promised`."""
    routes = json.loads(run(["ip", "-json", "-4", "route", "show", "table", "all"]))
    block = first_free_block([*routes, *({"dst": block} for block in promised)])
    if block is None:
        raise LocalClusterError(
            f"Every address of {HOST_BLOCKS} is in use on this machine; the cluster needs four. "
            "`ip route show` lists them; `python -m localcluster --name NAME down` frees those of another cluster."
        )
    return block


def first_free_block(routes: Sequence[Mapping[str, str]]) -> ipaddress.IPv4Network | None:
    """The first block that meets none of the machine's routes, given as `ip -json route` prints them."""
    used = [ipaddress.IPv4Network(route["dst"], strict=False) for route in routes if route["dst"] != "default"]
    blocks = HOST_BLOCKS.subnets(new_prefix=30)
    return next((block for block in blocks if not any(block.overlaps(taken) for taken in used)), None)


def ensure(network: ClusterNetwork) -> None:
    """Makes the namespaces, links, addresses and routes that are not there."""
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
    """Puts the rules of the hub in force, all at once."""
    rules = HUB_RULES % network.api_address
    run(["nsenter", f"--net=/run/netns/{network.hub}", "nft", "-f", "-"], stdin=rules)


def remove(network: ClusterNetwork) -> None:
    """Removes the wires, which end with either of their ends, and the namespaces."""
    present = namespaces()
    if network.hub in present:
        # At once, not when the last process in there has ended: with them go the routes of hubs it is linked to.
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
    # A pod that is gone is unreachable at once, instead of its packets going round between node and hub.
    run(["ip", "-n", node.name, "route", "replace", "unreachable", str(node.pods)])
    run(["ip", "-n", hub, "route", "replace", str(node.pods), "via", node.link.far])


def connect(near: list[str], wire: str, far: str, far_end: str) -> None:
    """Lays a wire between two namespaces, unless one lies there with both of its ends."""
    ends = [(near, wire), (["-n", far], far_end)]
    present = [end for end in ends if _has_link(*end)]
    if present == ends:
        return
    for where, name in present:
        # Its other end is in a namespace that was deleted, and not all of whose processes have ended.
        succeeds(["ip", *where, "link", "delete", name])
    run(["ip", *near, "link", "add", wire, "type", "veth", "peer", "name", far_end, "netns", far])


def _has_link(where: list[str], name: str) -> bool:
    return succeeds(["ip", *where, "link", "show", "dev", name])
