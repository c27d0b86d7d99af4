"""Cases of the NetworkPolicy API reference, with expected results written by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.netpol.oracle import Connection, Object, World, permitted
from tests.unit.netpol.ruleset import Packet
from tests.unit.netpol.worlds import NODES, Cluster, namespace, pod, policy

WEB = [{"name": "web", "containerPort": 8080}, {"name": "dns", "containerPort": 53, "protocol": "UDP"}]
PODS = {
    "front": pod("shop/front", "10.244.0.2", {"app": "front", "tier": "edge"}),
    "users": pod("shop/users", "10.244.0.3", {"app": "users"}, WEB),
    "far": pod("shop/far", "10.244.1.2", {"app": "users", "zone": "b"}, [{"name": "web", "containerPort": 9090}]),
    "outsider": pod("office/outsider", "10.244.1.3", {"app": "front"}),
}
NAMESPACES = [namespace("shop", team="retail"), namespace("office")]
NAMES = {name: obj["status"]["podIP"] for name, obj in PODS.items()} | {
    "node-a": NODES["a"],
    "node-b": NODES["b"],
    "internet": "203.0.113.7",
}
USERS = {"matchLabels": {"app": "users"}}
FRONT = {"podSelector": {"matchLabels": {"app": "front"}}}


def reached(world: World, target: str, protocol: str, port: int | None) -> set[str]:
    """Return the names that reach `target`; the oracle must agree, which tests the oracle."""
    cluster, found = Cluster(world), set()
    for name, address in NAMES.items():
        connection = Connection(address, NAMES[target], protocol, port)
        accepted = cluster.verdict(connection) == "accept"
        assert accepted == permitted(world, connection), (name, connection)
        found |= {name} if accepted and name != target else set()
    return found


def world(*policies: Object) -> World:
    return World(list(PODS.values()), NAMESPACES, list(policies), NODES)


def ingress(*rules: Object, **spec: Any) -> World:
    return world(policy("shop/users", podSelector=USERS, ingress=list(rules), **spec))


def egress(*rules: Object, **spec: Any) -> World:
    return world(policy("shop/front", podSelector=FRONT["podSelector"], egress=list(rules), **spec))


ALL_SOURCES = {"front", "far", "outsider", "node-a", "node-b", "internet"}
INGRESS_CASES: dict[str, tuple[list[Object], set[str]]] = {
    "no rule: only the own node": ([], {"node-a"}),
    "an empty rule: all": ([{}], ALL_SOURCES),
    "an empty from: all": ([{"from": []}], ALL_SOURCES),
    "pods of the policy's own namespace": ([{"from": [FRONT]}], {"node-a", "front"}),
    "all pods of the namespace": ([{"from": [{"podSelector": {}}]}], {"node-a", "front", "far"}),
    "all pods of all namespaces, but no node": (
        [{"from": [{"namespaceSelector": {}}]}],
        {"node-a", "front", "far", "outsider"},
    ),
    "both selectors: pods of those namespaces": (
        [
            {
                "from": [
                    FRONT | {"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}}
                ]
            }
        ],
        {"node-a", "outsider"},
    ),
    "two peers: either": (
        [{"from": [{"podSelector": USERS}, {"ipBlock": {"cidr": "203.0.113.0/24"}}]}],
        {"node-a", "far", "internet"},
    ),
    "a block without a part of it": (
        [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.244.0.0/16", "203.0.113.0/28"]}}]}],
        {"node-a", "node-b"},
    ),
    "In": (
        [{"from": [{"podSelector": {"matchExpressions": [{"key": "tier", "operator": "In", "values": ["edge"]}]}}]}],
        {"node-a", "front"},
    ),
    "NotIn holds without the key": (
        [{"from": [{"podSelector": {"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["edge"]}]}}]}],
        {"node-a", "far"},
    ),
    "Exists": (
        [{"from": [{"podSelector": {"matchExpressions": [{"key": "zone", "operator": "Exists"}]}}]}],
        {"node-a", "far"},
    ),
    "IPv6 blocks admit no address": ([{"from": [{"ipBlock": {"cidr": "::/0"}}]}], {"node-a"}),
}


@pytest.mark.parametrize("case", INGRESS_CASES)
def test_ingress_peers(case: str) -> None:
    """Each form of `from` admits exactly the expected sources."""
    rules, expected = INGRESS_CASES[case]
    if "IPv6" in case:
        cluster = Cluster(ingress(*rules))
        assert cluster.verdict(Connection(NAMES["front"], NAMES["users"], "TCP", 80)) == "reject"
        return
    assert reached(ingress(*rules), "users", "TCP", 80) == expected


@pytest.mark.parametrize(
    ("ports", "open_to_all"),
    [
        ([{"port": 80}], {("TCP", 80)}),
        ([{}], {("TCP", 80), ("TCP", 8080), ("TCP", 8085), ("TCP", 9090), ("TCP", 53)}),
        ([{"protocol": "UDP"}], {("UDP", 53), ("UDP", 80)}),
        ([{"port": 8080, "endPort": 8085}], {("TCP", 8080), ("TCP", 8085)}),
        ([{"port": 80}, {"port": 80, "endPort": 8084}], {("TCP", 80), ("TCP", 8080)}),
        ([{"port": "web"}], {("TCP", 8080)}),
        ([{"port": "dns"}], set()),
        ([{"protocol": "UDP", "port": "dns"}], {("UDP", 53)}),
        ([{"protocol": "SCTP", "port": 7}], {("SCTP", 7)}),
        ([{"port": "undeclared"}], set()),
    ],
)
def test_ingress_ports(ports: list[Object], open_to_all: set[tuple[str, int]]) -> None:
    """Each form of `ports` opens exactly the expected ports, and never ICMP."""
    trials = [("TCP", number) for number in (80, 8080, 8085, 9090, 53)] + [("UDP", 53), ("UDP", 80), ("SCTP", 7)]
    found = {trial for trial in trials if "outsider" in reached(ingress({"ports": ports}), "users", *trial)}
    assert found == open_to_all
    assert "outsider" not in reached(ingress({"ports": ports}), "users", "ICMP", None)


def test_named_port_admits_peers_only() -> None:
    """A named ingress port is open to the peers of its rule only."""
    assert reached(ingress({"from": [FRONT], "ports": [{"port": "web"}]}), "users", "TCP", 8080) == {"node-a", "front"}


def test_named_egress_port_by_destination() -> None:
    """A named egress port is the number that each destination pod declares."""
    opened = egress({"ports": [{"port": "web"}], "to": [{"podSelector": USERS}]})
    assert "front" in reached(opened, "users", "TCP", 8080)
    assert "front" not in reached(opened, "users", "TCP", 9090)
    assert "front" in reached(opened, "far", "TCP", 9090)
    elsewhere = egress({"ports": [{"port": "web"}], "to": [{"podSelector": {"matchLabels": {"zone": "b"}}}]})
    assert "front" not in reached(elsewhere, "users", "TCP", 8080)


@pytest.mark.parametrize(
    ("spec", "admits_ingress", "admits_egress"),
    [
        ({}, False, True),
        ({"policyTypes": ["Ingress"]}, False, True),
        ({"policyTypes": ["Egress"]}, True, False),
        ({"policyTypes": ["Ingress", "Egress"]}, False, False),
        ({"egress": [{"to": [{"ipBlock": {"cidr": "198.51.100.0/24"}}]}]}, False, False),
        ({"egress": []}, False, True),
        ({"egress": [{}], "policyTypes": ["Ingress"]}, False, True),
        ({"ingress": [{}], "policyTypes": ["Egress"]}, True, False),
    ],
)
def test_policy_types(spec: Object, admits_ingress: bool, admits_egress: bool) -> None:
    """`policyTypes` and its defaults decide the isolated directions."""
    closed = world(policy("shop/users", podSelector=USERS, **spec))
    assert ("front" in reached(closed, "users", "TCP", 80)) is admits_ingress
    assert ("users" in reached(closed, "front", "TCP", 80)) is admits_egress


def test_policies_are_additive_per_namespace() -> None:
    """Policies add up, and apply to pods of their own namespace only."""
    closed, opened = policy("shop/closed"), policy("shop/opened", podSelector=USERS, ingress=[{"from": [FRONT]}])
    assert reached(world(closed, opened), "users", "TCP", 80) == {"node-a", "front"}
    assert reached(world(policy("office/closed")), "users", "TCP", 80) == ALL_SOURCES


def test_both_ends_must_admit() -> None:
    """A connection needs the egress policies of its source and the ingress policies of its target."""
    leaves = policy("shop/front", podSelector=FRONT["podSelector"], egress=[{"to": [{"podSelector": USERS}]}])
    enters = policy("shop/users", podSelector=USERS, ingress=[{"from": [{"podSelector": USERS}]}])
    assert "front" in reached(world(leaves), "users", "TCP", 80)
    assert "front" not in reached(world(leaves, enters), "users", "TCP", 80)


def test_pod_to_own_node_needs_egress() -> None:
    """A pod reaches the addresses of its node only if an egress policy admits them."""
    assert "front" not in reached(egress({"to": [{"namespaceSelector": {}}]}), "node-a", "TCP", 10250)
    named = egress({"to": [{"ipBlock": {"cidr": "192.0.2.2/32"}}], "ports": [{"port": 10250}]})
    assert "front" in reached(named, "node-a", "TCP", 10250)
    assert "front" not in reached(named, "node-a", "TCP", 22)


def test_host_network_pods() -> None:
    """Pods on the host network are neither isolated nor selected as peers."""
    host = pod("shop/host", NODES["b"], {"app": "front"}, hostNetwork=True)
    closed = ingress({"from": [FRONT]})
    closed.pods.append(host)
    assert reached(closed, "users", "TCP", 80) == {"node-a", "front"}


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_address_of_ended_pod(phase: str) -> None:
    """The address of an ended pod belongs to the pod that has the address now."""
    ended = pod("shop/ended", NAMES["outsider"], {"app": "front"})
    ended["status"]["phase"] = phase
    again = ingress({"from": [FRONT]})
    again.pods.append(ended)
    assert "outsider" not in reached(again, "users", "TCP", 80)


def test_address_conflict_newer_pod() -> None:
    """Of two pods with one address, the newer holds the address."""
    claims = ingress({"from": [FRONT]})
    old, new = pod("shop/old", "10.244.0.9", {"app": "front"}), pod("shop/new", "10.244.0.9", {"app": "other"})
    old["metadata"]["creationTimestamp"], new["metadata"]["creationTimestamp"] = (
        "2030-01-01T00:00:00Z",
        "2030-01-02T00:00:00Z",
    )
    for order in ([old, new], [new, old]):
        claims.pods[len(PODS) :] = order
        assert Cluster(claims).verdict(Connection("10.244.0.9", NAMES["users"], "TCP", 80)) == "reject"


def test_unknown_namespace_matches_no_selector() -> None:
    """A namespace whose labels are unknown matches no selector."""
    elsewhere = {"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}
    early = ingress({"from": [{"namespaceSelector": elsewhere}]})
    early.namespaces = [NAMESPACES[0]]
    assert "outsider" not in reached(early, "users", "TCP", 80)


def test_unknown_source_dropped_known_refused() -> None:
    """Packets from unknown sources are dropped, which causes a retry; packets from known ones are refused."""
    cluster = Cluster(ingress())
    unknown, known = "10.244.1.77", NAMES["outsider"]
    assert cluster.tables["a"].verdict(_packet(unknown), "forward") == "drop"
    assert cluster.tables["a"].verdict(_packet(known), "forward") == "reject"
    assert Cluster(world()).tables["a"].verdict(_packet(unknown), "forward") == "accept"


def test_node_address_of_pod_on_other_node() -> None:
    """An address of this node that a pod on another node claims counts as unknown."""
    elsewhere = pod("shop/elsewhere", "10.244.0.77", {"app": "front"}, nodeName="b")
    confused = world()
    confused.pods.append(elsewhere)
    assert Cluster(confused).tables["a"].verdict(_packet("10.244.0.77"), "forward") == "drop"


def _packet(source: str) -> Packet:
    return Packet(source, NAMES["users"], "TCP", 80)
