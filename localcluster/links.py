"""Links between clusters on one machine: the pods of each cluster reach the other's pods and API server.

A link is a veth pair between the hubs of two clusters. Both ends are in network namespaces; the machine itself gets no
route and forwards no packets. Addresses are not translated: each cluster sees the other's pods under their own
addresses. Nodes and Services have the same addresses in every cluster and are not reachable across a link.
"""

from __future__ import annotations

import ipaddress

from . import network
from .cluster import describe, exclusive, settings
from .errors import LocalClusterError
from .network import ClusterNetwork
from .paths import ClusterPaths
from .progress import step
from .run import run

# Link-local addresses are never routed. The block has 128 addresses for each of 64 clusters, two for each pair.
WIRES = ipaddress.IPv4Network("169.254.64.0/18")


def link(where: ClusterPaths, other: ClusterPaths) -> None:
    """Link two clusters, or repair their link; a link lasts until one of the clusters is removed."""
    if where == other:
        raise LocalClusterError(f"{where.name} cannot be linked to itself; give the name of another cluster")
    with exclusive(where), exclusive(other), step("link") as progress:
        one, another = _running_network(where), _running_network(other)
        if one.index == another.index:
            raise LocalClusterError(
                f"{where.name} and {other.name} have the same addresses ({one.host_link.block}); "
                f"run `down` and `up` for one of them to get other addresses"
            )
        ensure(one, another)
        progress.detail = f"pods of {where.name} ({one.pods}) and {other.name} ({another.pods}) reach each other"


def _running_network(where: ClusterPaths) -> ClusterNetwork:
    """Return the network of a running cluster; raise LocalClusterError if the cluster is not running."""
    if where.root.exists():
        described = describe(where, settings(where)).network
        if described.hub in network.namespaces():
            return described
    raise LocalClusterError(f"{where.name} is not running; start: `python -m localcluster --name {where.name} up`")


def wire_name(far: ClusterNetwork) -> str:
    """Return the name of the interface to cluster `far` in another cluster's hub."""
    return f"link-{far.index}"


def wire_address(near: ClusterNetwork, far: ClusterNetwork) -> ipaddress.IPv4Address:
    """Return the address of the near end of a link, unique among all links."""
    low, high = sorted((near.index, far.index))
    return WIRES[256 * low + 2 * high + (near.index == high)]


def ensure(one: ClusterNetwork, other: ClusterNetwork) -> None:
    """Create the veth pair, its addresses and its routes unless present."""
    network.connect(["-n", one.hub], wire_name(other), other.hub, wire_name(one))
    for near, far in ((one, other), (other, one)):
        network.ensure_rules(near)
        _ensure_end(near, far)


def _ensure_end(near: ClusterNetwork, far: ClusterNetwork) -> None:
    hub, wire = ["ip", "-n", near.hub], wire_name(far)
    run([*hub, "address", "replace", f"{wire_address(near, far)}/31", "dev", wire])
    run([*hub, "link", "set", wire, "up"])
    # The hub sends from the address of its API server, the only address of the hub to which the far hub has a route.
    through = ["via", str(wire_address(far, near)), "dev", wire, "src", near.api_address]
    for reached in (str(far.pods), far.api_address):
        run([*hub, "route", "replace", reached, *through])
