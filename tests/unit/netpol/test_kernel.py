"""Rendered tables in the kernel: real connections between network namespaces with the layout of a node."""

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
    reason="needs root and nft, to create network namespaces and load tables",
)

FIRST, SECOND, THIRD = "10.244.0.2", "10.244.0.3", "10.244.0.9"
FAR, INTERNET = "10.244.1.2", "203.0.113.7"
SERVERS = [("TCP", 80), ("TCP", 8080), ("TCP", 8085), ("UDP", 53), ("UDP", 80)]
SERVICE = "10.96.0.5"

# The rules of kube-proxy for a Service with one pod: DNAT before routing, masquerading for hairpin connections.
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
def test_kernel_matches_oracle(laboratory: Laboratory, generated: World) -> None:
    """The kernel accepts exactly the connections that the API reference permits."""
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


def test_empty_table_passes_nothing(laboratory: Laboratory) -> None:
    """Before the first list of pods, no connection is possible."""
    laboratory.load(text(World(nodes=NODES), "a"))
    assert laboratory.attempt("TCP", FIRST, SECOND, 80) == "drop"
    assert laboratory.attempt("TCP", FIRST, NODE, 80) == "drop"
    assert laboratory.attempt("TCP", INTERNET, FIRST, 80) == "reject"


def test_new_pod_admitted_when_known(laboratory: Laboratory) -> None:
    """A new pod's packets are dropped until the table contains the pod."""
    laboratory.load(text(world(without=THIRD), "a"))
    assert laboratory.attempt("TCP", THIRD, FIRST, 80) == "drop"
    assert laboratory.attempt("TCP", FIRST, SECOND, 80) == "accept"
    laboratory.load(text(world(), "a"))
    assert laboratory.attempt("TCP", THIRD, FIRST, 80) == "accept"


def test_isolated_pod_and_its_node(laboratory: Laboratory) -> None:
    """A node reaches its isolated pod; the pod does not reach the node."""
    laboratory.load(text(world(DENY_ALL), "a"))
    assert laboratory.attempt("TCP", NODE, FIRST, 80) == "accept"
    assert laboratory.attempt("UDP", NODE, FIRST, 53) == "accept"
    assert laboratory.attempt("TCP", FIRST, NODE, 80) == "reject"
    assert laboratory.attempt("UDP", FIRST, NODE, 53) == "reject"


def test_service_uses_policies_of_backend(laboratory: Laboratory) -> None:
    """Connections to a Service are subject to the policies of the pod behind the Service."""
    laboratory.load(text(world(FIRST_ADMITS_SECOND), "a"))
    assert laboratory.attempt("TCP", SECOND, SERVICE, 80) == "accept"
    assert laboratory.attempt("TCP", THIRD, SERVICE, 80) == "reject"
    assert laboratory.attempt("TCP", FAR, SERVICE, 80) == "reject"


def test_pod_reaches_itself_through_service(laboratory: Laboratory) -> None:
    """An isolated pod reaches itself through its Service (hairpin connection)."""
    laboratory.load(text(world(DENY_ALL), "a"))
    assert laboratory.attempt("TCP", FIRST, SERVICE, 80) == "accept"


def test_removed_rule_resets_connection(laboratory: Laboratory) -> None:
    """Removing a rule resets the connections it admitted; other changes do not."""
    laboratory.load(text(world(DENY_ALL, FIRST_ADMITS_SECOND, _egress(SECOND)), "a"))
    caller = laboratory.places[SECOND]
    assert caller.hold("TCP", SECOND, FIRST, 8080) == "accept"
    laboratory.load(text(world(DENY_ALL, FIRST_ADMITS_SECOND, _egress(SECOND), _egress(THIRD)), "a"))
    assert caller.use() == "accept"
    laboratory.load(text(world(DENY_ALL, _egress(SECOND)), "a"))
    assert caller.use() == "reject"


def test_forged_source_is_dropped(laboratory: Laboratory) -> None:
    """Packets with the source address of another pod are dropped."""
    laboratory.load(text(world(), "a"))
    forger, target = laboratory.places[THIRD], laboratory.places[FAR]
    target.heard(SECOND)
    run("ip", "-n", forger.namespace, "address", "add", f"{SECOND}/32", "dev", "lo")
    assert forger.attempt("UDP", SECOND, FAR, 53) == "drop"
    assert not target.heard(SECOND)
    assert laboratory.attempt("UDP", SECOND, FAR, 53) == "accept"
    assert target.heard(SECOND)


def test_long_policy_names_are_distinct(laboratory: Laboratory) -> None:
    """Policies whose long names differ at the end only get distinct chains."""
    long = "shop/" + ".".join(["a" * 50] * 4 + ["b" * 40])
    names = [long + "-first", long + "-second", "shop/1-starts.with-a-digit"]
    laboratory.load(text(world(DENY_ALL, *(policy(name, ingress=[{}]) for name in names)), "a"))
    assert laboratory.attempt("TCP", INTERNET, FIRST, 80) == "accept"


def _egress(address: str) -> Object:
    return policy(f"shop/egress-{address}", **selecting(address), policyTypes=["Egress"], egress=[{}])
