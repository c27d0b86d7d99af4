"""Links between clusters of one machine: pods of each reach the other's pods and API server.

A link is a wire between two hubs. Like all else of a cluster it lies in namespaces alone: this machine gets no route
and forwards nothing. Nothing is translated either, so that each side sees the pods of the other at their own addresses.
Nodes and services, which have the same addresses in every cluster, are not seen from another.
"""

from __future__ import annotations

import ipaddress

from . import network
from .cluster import alone, describe, settings
from .errors import LocalClusterError
from .network import ClusterNetwork
from .paths import ClusterPaths
from .progress import step
from .run import run

# Link-local, so that no wire's addresses are ever routed; 64 times 128 of them, more than enough for each pair.
WIRES = ipaddress.IPv4Network("169.254.64.0/18")


def link(where: ClusterPaths, other: ClusterPaths) -> None:
    """Links two clusters, or puts right what is missing of their link, until one of them goes."""
    if where == other:
        raise LocalClusterError(f"{where.name} cannot be linked to itself; say `link` and the name of another cluster")
    with alone(where), alone(other), step("link") as progress:
        one, another = _standing(where), _standing(other)
        if one.index == another.index:
            raise LocalClusterError(
                f"{where.name} and {other.name} have the same addresses ({one.host_link.block}); "
                f"`down` and then `up` of one of them gives it others"
            )
        ensure(one, another)
        progress.detail = f"pods of {where.name} ({one.pods}) and {other.name} ({another.pods}) reach each other"


def _standing(where: ClusterPaths) -> ClusterNetwork:
    """The network of a cluster that is up."""
    if where.root.exists():
        described = describe(where, settings(where)).network
        if described.hub in network.namespaces():
            return described
    raise LocalClusterError(f"{where.name} is not up; `python -m localcluster --name {where.name} up` brings it up")


def wire_name(far: ClusterNetwork) -> str:
    """What the wire to a cluster is called in another's hub."""
    return f"link-{far.index}"


def wire_address(near: ClusterNetwork, far: ClusterNetwork) -> ipaddress.IPv4Address:
    """The address of the near end of a wire, which no end of another has."""
    low, high = sorted((near.index, far.index))
    return WIRES[256 * low + 2 * high + (near.index == high)]


def ensure(one: ClusterNetwork, other: ClusterNetwork) -> None:
    """Lays the wire, and makes its addresses and routes, unless they are there."""
    network.connect(["-n", one.hub], wire_name(other), other.hub, wire_name(one))
    for near, far in ((one, other), (other, one)):
        network.ensure_rules(near)
        _ensure_end(near, far)


def _ensure_end(near: ClusterNetwork, far: ClusterNetwork) -> None:
    hub, wire = ["ip", "-n", near.hub], wire_name(far)
    run([*hub, "address", "replace", f"{wire_address(near, far)}/31", "dev", wire])
    run([*hub, "link", "set", wire, "up"])
    # What the hub itself says comes from its API server's address: the far hub knows the way back to that.
    through = ["via", str(wire_address(far, near)), "dev", wire, "src", near.api_address]
    for reached in (str(far.pods), far.api_address):
        run([*hub, "route", "replace", reached, *through])
