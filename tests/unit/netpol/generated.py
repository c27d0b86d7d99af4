"""Generated worlds: pods, namespaces and policies, few enough that policies often apply to pods."""

from __future__ import annotations

from itertools import product
from typing import Any

from hypothesis import strategies as st

from tests.unit.netpol.oracle import Connection, Object, World
from tests.unit.netpol.worlds import NODES, namespace, pod, policy

KEYS, VALUES = ["app", "tier"], ["x", "y"]
OUTSIDE = ["203.0.113.7", "192.0.2.2", "192.0.2.6"]
ADDRESSES = ["10.244.0.2", "10.244.0.3", "10.244.0.9", "10.244.1.2", "10.244.1.3"]
TRIALS = [("TCP", 80), ("TCP", 8080), ("TCP", 8085), ("UDP", 53), ("UDP", 80), ("SCTP", 7), ("ICMP", None)]

label_sets = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES))
expressions = st.one_of(
    st.fixed_dictionaries(
        {
            "key": st.sampled_from(KEYS),
            "operator": st.sampled_from(["In", "NotIn"]),
            "values": st.lists(st.sampled_from(VALUES), min_size=1, unique=True),
        }
    ),
    st.fixed_dictionaries({"key": st.sampled_from(KEYS), "operator": st.sampled_from(["Exists", "DoesNotExist"])}),
)
selectors = st.fixed_dictionaries(
    {}, optional={"matchLabels": label_sets, "matchExpressions": st.lists(expressions, max_size=2)}
)
blocks = st.sampled_from(
    [
        {"cidr": "0.0.0.0/0"},
        {"cidr": "0.0.0.0/0", "except": ["10.244.0.0/16", "192.0.2.0/30"]},
        {"cidr": "10.244.0.0/16", "except": ["10.244.0.2/31", "10.244.0.0/30"]},
        {"cidr": "192.0.2.0/24"},
        {"cidr": "10.244.0.2/32"},
    ]
)
selections = st.fixed_dictionaries({}, optional={"podSelector": selectors, "namespaceSelector": selectors})
peers = st.one_of(selections.filter(bool), st.fixed_dictionaries({"ipBlock": blocks}))
ports = st.one_of(
    st.sampled_from([{}, {"port": 80}, {"port": 8080, "endPort": 8090}, {"port": "web"}, {"port": "dns"}]),
    st.sampled_from([{"protocol": "UDP"}, {"protocol": "UDP", "port": 53}, {"protocol": "UDP", "port": "dns"}]),
    st.sampled_from([{"protocol": "SCTP", "port": 7}, {"protocol": "TCP", "port": 8081, "endPort": 65535}]),
)
NAMED_PORTS: list[list[Object]] = [
    [],
    [{"name": "web", "containerPort": 8080}, {"name": "dns", "containerPort": 53, "protocol": "UDP"}],
    [{"name": "web", "containerPort": 80, "protocol": "TCP"}],
]


def rules(side: str) -> st.SearchStrategy[list[Object]]:
    """Return a strategy for rules of which most admit some pod to some port."""
    parts: dict[Any, st.SearchStrategy[Any]] = {"ports": st.lists(ports, max_size=2), side: st.lists(peers, max_size=2)}
    return st.lists(st.fixed_dictionaries({}, optional=parts), min_size=1, max_size=2)


specs = st.fixed_dictionaries(
    {"podSelector": selectors},
    optional={
        "policyTypes": st.sampled_from([["Ingress"], ["Egress"], ["Ingress", "Egress"], []]),
        "ingress": st.one_of(rules("from"), st.just([])),
        "egress": st.one_of(rules("to"), st.just([])),
    },
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    homes = ["shop", "office"]
    pods = [
        pod(f"{draw(st.sampled_from(homes))}/p{number}", address, draw(label_sets), draw(st.sampled_from(NAMED_PORTS)))
        for number, address in enumerate(draw(st.lists(st.sampled_from(ADDRESSES), min_size=3, unique=True)))
    ]
    for unlike in draw(st.lists(st.sampled_from(pods), max_size=1)):
        gone = pod("shop/gone", unlike["status"]["podIP"], draw(label_sets))
        pods.append(gone | {"status": gone["status"] | {"phase": draw(st.sampled_from(["Succeeded", "Failed"]))}})
    pods.append(pod("shop/host", NODES["a"], draw(label_sets), hostNetwork=True))
    policies = [
        policy(f"{draw(st.sampled_from(homes))}/policy-{number}", **spec)
        for number, spec in enumerate(draw(st.lists(specs, min_size=1, max_size=3)))
    ]
    return World(pods, [namespace(home, **draw(label_sets)) for home in homes], policies, NODES)


def connections(world: World) -> list[Connection]:
    held = [address for address in ADDRESSES if world.pod_at(address)]
    pairs = [*product(held, held + OUTSIDE), *product(OUTSIDE, held)]
    return [Connection(source, target, *trial) for source, target in pairs for trial in TRIALS]
