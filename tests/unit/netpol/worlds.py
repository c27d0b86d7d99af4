"""Builders of API objects, and the evaluation of a connection by the tables of all nodes on its path."""

from __future__ import annotations

from typing import Any

from localcluster.netpol.model import pod_from, policy_from
from localcluster.netpol.render import render
from tests.unit.netpol.oracle import Connection, Object, World
from tests.unit.netpol.ruleset import Packet, Ruleset

NODES = {"a": "192.0.2.2", "b": "192.0.2.6"}
RANGES = {"a": "10.244.0.0/24", "b": "10.244.1.0/24"}
CLUSTER = "10.244.0.0/16"


def namespace(name: str, **labels: str) -> Object:
    return {"metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name, **labels}}}


def pod(name: str, address: str, labels: dict[str, str], ports: list[Object] | None = None, **spec: Any) -> Object:
    """Return a running pod named "namespace/name", on the node whose range contains `address`."""
    home, _, own = name.partition("/")
    node = "b" if address.startswith("10.244.1.") else "a"
    return {
        "metadata": {"namespace": home, "name": own, "uid": f"uid-of-{name}", "labels": labels},
        "spec": {"nodeName": node, "containers": [{"name": "main", "ports": ports or []}], **spec},
        "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]},
    }


def policy(name: str, **spec: Any) -> Object:
    """Return a NetworkPolicy named "namespace/name"."""
    home, _, own = name.partition("/")
    return {"metadata": {"namespace": home, "name": own}, "spec": {"podSelector": {}, **spec}}


def text(world: World, node: str) -> str:
    pods = [parsed for obj in world.pods if (parsed := pod_from(obj))]
    namespaces = {n["metadata"]["name"]: n["metadata"].get("labels", {}) for n in world.namespaces}
    policies = [policy_from(obj) for obj in world.policies]
    return render(pods, namespaces, policies, node, RANGES[node], CLUSTER)


class Cluster:
    """The rendered tables of all nodes of a world."""

    def __init__(self, world: World) -> None:
        self.tables = {node: Ruleset(text(world, node)) for node in world.nodes}

    def verdict(self, connection: Connection, *, reply: bool = False) -> str:
        """Return the verdict on the first packet, or on a reply, by the nodes on the path."""
        packet = Packet(connection.source, connection.target, connection.protocol, connection.port, reply)
        for node, hook in self._path(connection.source, connection.target):
            found = self.tables[node].verdict(packet, hook)
            if found != "accept":
                return found
        return "accept"

    def _path(self, source: str, target: str) -> list[tuple[str, str]]:
        start, end = _node_of(source), _node_of(target)
        if source == NODES.get(end or ""):
            return []  # from the node itself: no rules at the output hook
        path = [(start, "input" if target == NODES[start] else "forward")] if start else []
        return [*path, (end, "forward")] if end and end != start else path


def _node_of(address: str) -> str | None:
    return {"10.244.0": "a", "10.244.1": "b"}.get(address.rpartition(".")[0])
