"""A reference implementation of NetworkPolicy for single connections, on plain API objects.

Written independently of the enforcement's code and without optimization: every question is answered by a walk over all
objects, for one connection at a time.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

Object = dict[str, Any]


@dataclass
class World:
    """API objects, and the address of each node."""

    pods: list[Object] = field(default_factory=list)
    namespaces: list[Object] = field(default_factory=list)
    policies: list[Object] = field(default_factory=list)
    nodes: dict[str, str] = field(default_factory=dict)

    def pod_at(self, address: str) -> Object | None:
        for pod in self.pods:
            ended = pod["status"].get("phase") in ("Succeeded", "Failed")
            if not ended and not pod["spec"].get("hostNetwork") and pod["status"].get("podIP") == address:
                return pod
        return None

    def namespace_labels(self, name: str) -> dict[str, str] | None:
        for namespace in self.namespaces:
            if namespace["metadata"]["name"] == name:
                return namespace["metadata"].get("labels", {})
        return None


@dataclass(frozen=True)
class Connection:
    """A connection with protocol TCP, UDP, SCTP or ICMP; ICMP has no port."""

    source: str
    target: str
    protocol: str
    port: int | None


def permitted(world: World, connection: Connection, judges: Collection[str] = ("a", "b")) -> bool:
    """Whether the policies of both ends admit a connection; only nodes in `judges` enforce policies."""
    source, target = world.pod_at(connection.source), world.pod_at(connection.target)
    if connection.source == connection.target:
        return True
    if source is not None and source["spec"]["nodeName"] in judges and not _side(world, source, connection, "Egress"):
        return False
    if target is None or target["spec"]["nodeName"] not in judges:
        return True
    if world.nodes[target["spec"]["nodeName"]] == connection.source:
        return True
    return _side(world, target, connection, "Ingress")


def _side(world: World, pod: Object, connection: Connection, direction: str) -> bool:
    selecting = [
        policy
        for policy in world.policies
        if direction in _types(policy)
        and policy["metadata"]["namespace"] == pod["metadata"]["namespace"]
        and matches(policy["spec"].get("podSelector", {}), pod["metadata"].get("labels", {}))
    ]
    if not selecting:
        return True
    for policy in selecting:
        for rule in policy["spec"].get(direction.lower()) or []:
            if _rule(world, policy, rule, connection, direction):
                return True
    return False


def _types(policy: Object) -> list[str]:
    spec = policy["spec"]
    if spec.get("policyTypes"):
        return spec["policyTypes"]
    return ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def _rule(world: World, policy: Object, rule: Object, connection: Connection, direction: str) -> bool:
    peers = rule.get("from" if direction == "Ingress" else "to")
    other = connection.source if direction == "Ingress" else connection.target
    if peers and not any(_peer(world, policy, peer, other) for peer in peers):
        return False
    ports = rule.get("ports")
    return not ports or any(_port(world.pod_at(connection.target), port, connection) for port in ports)


def _peer(world: World, policy: Object, peer: Object, address: str) -> bool:
    if "ipBlock" in peer:
        block, number = peer["ipBlock"], ip_address(address)
        inside = number in ip_network(block["cidr"])
        return inside and not any(number in ip_network(hole) for hole in block.get("except", []))
    pod = world.pod_at(address)
    if pod is None:
        return False
    home = pod["metadata"]["namespace"]
    if "namespaceSelector" in peer:
        labels = world.namespace_labels(home)
        if labels is None or not matches(peer["namespaceSelector"], labels):
            return False
    elif home != policy["metadata"]["namespace"]:
        return False
    return "podSelector" not in peer or matches(peer["podSelector"], pod["metadata"].get("labels", {}))


def _port(target: Object | None, port: Object, connection: Connection) -> bool:
    if port.get("protocol", "TCP") != connection.protocol or connection.port is None:
        return False
    wanted = port.get("port")
    if wanted is None:
        return True
    if isinstance(wanted, int):
        return wanted <= connection.port <= port.get("endPort", wanted)
    for container in target["spec"]["containers"] if target else []:
        for declared in container.get("ports", []):
            if declared.get("name") == wanted and declared.get("protocol", "TCP") == connection.protocol:
                return declared["containerPort"] == connection.port
    return False


def matches(selector: Object, labels: dict[str, str]) -> bool:
    """Whether labels satisfy a label selector."""
    for key, value in selector.get("matchLabels", {}).items():
        if key not in labels or labels[key] != value:
            return False
    for expression in selector.get("matchExpressions", []):
        key, values = expression["key"], expression.get("values", [])
        present = key in labels
        verdict = {
            "In": present and labels[key] in values,
            "NotIn": not present or labels[key] not in values,
            "Exists": present,
            "DoesNotExist": not present,
        }
        if not verdict[expression["operator"]]:
            return False
    return True
