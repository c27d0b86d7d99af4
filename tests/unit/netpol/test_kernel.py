"""Rendered tables in the kernel: real connections between network namespaces laid out like a node's pods."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.unit.netpol.generated import ADDRESSES, OUTSIDE, connections, worlds
from tests.unit.netpol.laboratory import NODE, Laboratory, run
from tests.unit.netpol.oracle import Object, World, permitted
from tests.unit.netpol.worlds import NODES, namespace, pod, policy, text

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("nft"),
    reason="needs root and nft, to make network namespaces and load tables into one of them",
)

FIRST, SECOND, THIRD = "10.244.0.2", "10.244.0.3", "10.244.0.9"
FAR, INTERNET = "10.244.1.2", "203.0.113.7"
SERVERS = [("TCP", 80), ("TCP", 8080), ("TCP", 8085), ("UDP", 53), ("UDP", 80)]
SERVICE = "10.96.0.5"

# What kube-proxy does for a Service with one pod behind it: a new target before routing, a new source for hairpins.
SERVICE_RULES = f"""
table ip service {{
  chain targets {{ type nat hook prerouting priority dstnat; ip daddr {SERVICE} tcp dport 80 dnat to {FIRST}:8080; }}
  chain sources {{ type nat hook postrouting priority srcnat; ip saddr {FIRST} ip daddr {FIRST} masquerade; }}
}}
"""


@pytest.fixture(scope="module")
def laboratory() -> Iterator[Laboratory]:
    here = [address for address in ADDRESSES if address.startswith("10.244.0.")]
    elsewhere = [address for address in [*ADDRESSES, *OUTSIDE] if address not in here and address != NODE]
    with Laboratory(here, elsewhere, SERVERS) as made:
        run("ip", "netns", "exec", made.node, "nft", "-f", "-", stdin=SERVICE_RULES)
        yield made


def world(*policies: Object, without: str = "") -> World:
    pods = {address: pod(f"shop/p{address}", address, {"pod": address}) for address in (FIRST, SECOND, THIRD, FAR)}
    pods.pop(without, None)
    return World(list(pods.values()), [namespace("shop")], list(policies), NODES)


def selecting(address: str) -> Object:
    return {"podSelector": {"matchLabels": {"pod": address}}}


DENY_ALL = policy("shop/deny", policyTypes=["Ingress", "Egress"])
FIRST_ADMITS_SECOND = policy("shop/first", **selecting(FIRST), ingress=[{"from": [selecting(SECOND)]}])


@given(worlds())
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_kernel_does_what_the_api_reference_says(laboratory: Laboratory, generated: World) -> None:
    laboratory.load(text(generated, "a"))
    differing = []
    for connection in connections(generated):
        here = {connection.source, connection.target} & {FIRST, SECOND, THIRD}
        if (connection.protocol, connection.port) not in SERVERS or not here or connection.port is None:
            continue
        outcome = laboratory.attempt(connection.protocol, connection.source, connection.target, connection.port)
        expected = "accept" if permitted(generated, connection, judges=["a"]) else "reject"
        differing += [(connection, outcome)] if outcome != expected else []
    assert differing == []


def test_with_no_list_yet_nothing_passes(laboratory: Laboratory) -> None:
    laboratory.load(text(World(nodes=NODES), "a"))
    assert laboratory.attempt("TCP", FIRST, SECOND, 80) == "drop"
    assert laboratory.attempt("TCP", FIRST, NODE, 80) == "drop"
    assert laboratory.attempt("TCP", INTERNET, FIRST, 80) == "reject"


def test_a_new_pod_is_let_in_once_it_is_known(laboratory: Laboratory) -> None:
    laboratory.load(text(world(without=THIRD), "a"))
    assert laboratory.attempt("TCP", THIRD, FIRST, 80) == "drop"
    assert laboratory.attempt("TCP", FIRST, SECOND, 80) == "accept"
    laboratory.load(text(world(), "a"))
    assert laboratory.attempt("TCP", THIRD, FIRST, 80) == "accept"


def test_the_node_reaches_an_isolated_pod_which_does_not_reach_the_node(laboratory: Laboratory) -> None:
    laboratory.load(text(world(DENY_ALL), "a"))
    assert laboratory.attempt("TCP", NODE, FIRST, 80) == "accept"
    assert laboratory.attempt("UDP", NODE, FIRST, 53) == "accept"
    assert laboratory.attempt("TCP", FIRST, NODE, 80) == "reject"
    assert laboratory.attempt("UDP", FIRST, NODE, 53) == "reject"


def test_a_service_is_judged_by_the_pod_behind_it(laboratory: Laboratory) -> None:
    laboratory.load(text(world(FIRST_ADMITS_SECOND), "a"))
    assert laboratory.attempt("TCP", SECOND, SERVICE, 80) == "accept"
    assert laboratory.attempt("TCP", THIRD, SERVICE, 80) == "reject"
    assert laboratory.attempt("TCP", FAR, SERVICE, 80) == "reject"


def test_a_pod_reaches_itself_through_its_service(laboratory: Laboratory) -> None:
    laboratory.load(text(world(DENY_ALL), "a"))
    assert laboratory.attempt("TCP", FIRST, SERVICE, 80) == "accept"


def test_a_removed_rule_cuts_the_connections_it_admitted(laboratory: Laboratory) -> None:
    laboratory.load(text(world(DENY_ALL, FIRST_ADMITS_SECOND, _leaves(SECOND)), "a"))
    caller = laboratory.places[SECOND]
    assert caller.hold("TCP", SECOND, FIRST, 8080) == "accept"
    laboratory.load(text(world(DENY_ALL, FIRST_ADMITS_SECOND, _leaves(SECOND), _leaves(THIRD)), "a"))
    assert caller.use() == "accept"
    laboratory.load(text(world(DENY_ALL, _leaves(SECOND)), "a"))
    assert caller.use() == "reject"


def test_a_forged_source_gets_nowhere(laboratory: Laboratory) -> None:
    laboratory.load(text(world(), "a"))
    forger, target = laboratory.places[THIRD], laboratory.places[FAR]
    target.heard(SECOND)
    run("ip", "-n", forger.namespace, "address", "add", f"{SECOND}/32", "dev", "lo")
    assert forger.attempt("UDP", SECOND, FAR, 53) == "drop"
    assert not target.heard(SECOND)
    assert laboratory.attempt("UDP", SECOND, FAR, 53) == "accept"
    assert target.heard(SECOND)


def test_policies_with_the_longest_names_load_apart(laboratory: Laboratory) -> None:
    long = "shop/" + ".".join(["a" * 50] * 4 + ["b" * 40])
    names = [long + "-first", long + "-second", "shop/1-starts.with-a-digit"]
    laboratory.load(text(world(DENY_ALL, *(policy(name, ingress=[{}]) for name in names)), "a"))
    assert laboratory.attempt("TCP", INTERNET, FIRST, 80) == "accept"


def _leaves(address: str) -> Object:
    return policy(f"shop/leaves-{address}", **selecting(address), policyTypes=["Egress"], egress=[{}])
