"""Reachability as a set of open pairs of pod and port: by the declarations, and by the live network policies.

Both are independent of the operator's code. The first reads Microservices and the labels of their namespaces, the
second reads NetworkPolicies as the Kubernetes API reference defines them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tests.e2e.support.cluster import Object
from tests.e2e.support.random_declarations import PORTS, Declarations, Key
from tests.unit.netpol.oracle import Connection, World, matches, permitted

POSTGRESQL = 5432
HTTP = 8080
LISTENS = (*PORTS, HTTP)
"""The ports of a stand-in: every port that a service may declare, so that only network policies close the others."""
SERVICE, DATABASE, STRANGER = "service", "database", "stranger"


class Member(NamedTuple):
    """A pod of the tables. ports: those on which the pod listens; real: started by the operator, not by the story."""

    namespace: str
    service: str
    component: str
    ports: tuple[int, ...]
    real: bool = False

    @property
    def key(self) -> Key:
        return self.namespace, self.service

    @property
    def name(self) -> str:
        """A name for failure messages."""
        ending = "-database" if self.component == DATABASE else " (pod)" if self.real else ""
        return f"{self.namespace}/{self.service}{ending}"


class Pair(NamedTuple):
    """A possible connection."""

    source: Member
    target: Member
    port: int

    def __str__(self) -> str:
        return f"{self.source.name} → {self.target.name}:{self.port}"


def members(said: Declarations) -> list[Member]:
    """Return stand-ins, databases and pods of all services, and an unmanaged pod for each namespace."""
    found = [Member(home, STRANGER, STRANGER, (HTTP,)) for home in said.namespaces]
    for (home, name), spec in said.services.items():
        found.append(Member(home, name, SERVICE, LISTENS))
        if "database" in spec:
            found.append(Member(home, name, DATABASE, (POSTGRESQL,), real=True))
        if spec.get("replicas") != 0:
            port = spec["grpc"].get("port", PORTS[0]) if "grpc" in spec else spec["http"].get("port", HTTP)
            found.append(Member(home, name, SERVICE, (port,), real=True))
    return found


def lasting(member: Member) -> bool:
    """Whether a member outlives rollouts, unlike the operator's pods of a service."""
    return not member.real or member.component == DATABASE


def pairs(sources: Iterable[Member], targets: Iterable[Member]) -> set[Pair]:
    """Return every ordered pair, on every port of the target."""
    ends = list(targets)
    return {Pair(source, end, port) for source in sources for end in ends if source != end for port in end.ports}


def declared(said: Declarations, asked: Iterable[Pair]) -> set[Pair]:
    """Return the pairs that the declarations open: the source may go out, and the target lets the source in."""
    return {pair for pair in asked if _leaves(said, pair) and _enters(said, pair)}


def _leaves(said: Declarations, pair: Pair) -> bool:
    """Whether the source may go out: databases never, services to providers and own database, unmanaged pods always."""
    if pair.source.component == STRANGER:
        return True
    return pair.source.component == SERVICE and (_consumed(said, pair) or _own_database(pair))


def _enters(said: Declarations, pair: Pair) -> bool:
    """Whether the target lets the source in: databases admit their own service, services their consumers and, over
    HTTP, everybody, unmanaged pods everybody."""
    if pair.target.component == STRANGER:
        return True
    if pair.target.component == DATABASE:
        return _own_database(pair)
    pages = said.services[pair.target.key].get("http")
    return (pages is not None and pair.port == pages.get("port", HTTP)) or _consumed(said, pair)


def _own_database(pair: Pair) -> bool:
    source, target = pair.source, pair.target
    return source.component == SERVICE and target.component == DATABASE and source.key == target.key


def _consumed(said: Declarations, pair: Pair) -> bool:
    """Whether the consumer declares the provider, and the provider listens on the port and admits the namespace."""
    source, target = pair.source, pair.target
    if source.component != SERVICE or target.component != SERVICE:
        return False
    listed = said.services[source.key].get("consumes", [])
    grpc = said.services[target.key].get("grpc")
    wanted = any((entry.get("namespace", source.namespace), entry["name"]) == target.key for entry in listed)
    listens = grpc is not None and pair.port == grpc.get("port", PORTS[0])
    return wanted and listens and _admitted(said, grpc.get("consumers", {}), target.namespace, source.namespace)


def _admitted(said: Declarations, rule: Object, home: str, guest: str) -> bool:
    match rule.get("from", "SameNamespace"):
        case "All":
            return True
        case "SameNamespace":
            return guest == home
        case _:
            return matches(rule["selector"], {**said.namespaces[guest], "kubernetes.io/metadata.name": guest})


def simulated(live: Iterable[Object], addresses: Mapping[Member, str], asked: Iterable[Pair]) -> set[Pair]:
    """Return the pairs that the live policies open. live: pods, namespaces, policies and nodes."""
    kinds: dict[str, list[Object]] = {"Pod": [], "Namespace": [], "NetworkPolicy": [], "Node": []}
    for body in live:
        kinds.setdefault(body["kind"], []).append(body)
    nodes = {node["metadata"]["name"]: _internal(node) for node in kinds["Node"]}
    world = World(kinds["Pod"], kinds["Namespace"], kinds["NetworkPolicy"], nodes)

    def opens(pair: Pair) -> bool:
        ends = addresses[pair.source], addresses[pair.target]
        return permitted(world, Connection(*ends, "TCP", pair.port), judges=nodes)

    return {pair for pair in asked if opens(pair)}


def _internal(node: Object) -> str:
    return next(entry["address"] for entry in node["status"]["addresses"] if entry["type"] == "InternalIP")


def differences(**tables: set[Pair]) -> list[str]:
    """Return the pairs on which the tables differ, with the verdict of each table."""
    unlike = set[Pair]().union(*tables.values()) - set.intersection(*tables.values())

    def verdicts(pair: Pair) -> str:
        return ", ".join(f"{name} {'open' if pair in table else 'shut'}" for name, table in tables.items())

    return sorted(f"{pair}: {verdicts(pair)}" for pair in unlike)
