"""Links between two clusters, tested with packets between simulated pods; no Kubernetes is needed."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator

import pytest

from localcluster import links, network
from localcluster.cluster import ZONES
from localcluster.netpol.model import Peer, Pod, Policy, Rule
from localcluster.netpol.render import render
from localcluster.network import ClusterNetwork
from localcluster.run import run
from tests.localcluster.pods import (
    CALL,
    PODS,
    PORT,
    RECEIVE_DATAGRAM,
    SEND_DATAGRAM,
    Pair,
    answers,
    call,
    first_answers,
    inside,
    listening,
    populated,
)


@pytest.fixture(scope="module", autouse=True)
def _root_and_nft() -> None:
    """Skip without root or nft. Judged when the first test runs, because the tests of the cluster install nft."""
    if os.geteuid() != 0 or not shutil.which("nft"):
        pytest.skip("needs root and nft, to create network namespaces and load rules")


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two clusters without a link."""
    with contextlib.ExitStack() as stack:
        clusters = []
        for name in ("links-one", "links-two"):
            clusters.append(network.plan(name, ZONES, network.free_host_block()))
            stack.callback(network.remove, clusters[-1])
            network.ensure(clusters[-1])
        yield clusters[0], clusters[1]


@pytest.fixture
def pair_with_pods(pair: Pair) -> Iterator[Pair]:
    """Two clusters without a link, with pods and API servers."""
    with populated(pair[0]), populated(pair[1]):
        yield pair


def wires(cluster: ClusterNetwork) -> list[str]:
    """Return the link interfaces of a hub, and the routes through them."""
    hub = ["ip", "-brief", "-n", cluster.hub]
    lines = [*run([*hub, "link", "show"]).splitlines(), *run([*hub, "route", "show"]).splitlines()]
    return sorted(line for line in lines if "link-" in line)


def leaked_routes(pair: Pair) -> list[str]:
    """Return the real machine's routes to pods of the clusters or to links; none are expected."""
    listed = [route["dst"] for route in json.loads(run(["ip", "-json", "-4", "route", "show", "table", "all"]))]
    blocks = [ipaddress.IPv4Network(block) for block in listed if block != "default"]
    internal = [links.WIRES, *(cluster.pods for cluster in pair)]
    return [str(block) for block in blocks if any(block.subnet_of(network) for network in internal)]


def test_link_connects_pods_and_api_servers(pair_with_pods: Pair) -> None:
    """Linked clusters reach each other's pods and API servers under their own addresses."""
    assert first_answers(pair_with_pods) == {"ENETUNREACH"}
    links.ensure(*pair_with_pods)
    assert answers(pair_with_pods) == {"itself"}
    for near, far in (pair_with_pods, pair_with_pods[::-1]):
        from_api_server = inside(near.hub, CALL, "", str(far.nodes[0].pods[PODS[0]]), str(PORT))
        assert run(from_api_server).strip() == near.api_address
    assert leaked_routes(pair_with_pods) == []


def test_link_missing_pod_is_unreachable(pair_with_pods: Pair) -> None:
    """An address without a pod is reported as unreachable at once."""
    links.ensure(*pair_with_pods)
    for near, far in (pair_with_pods, pair_with_pods[::-1]):
        assert {call(node, other.pods[99]) for node in near.nodes for other in far.nodes} == {"EHOSTUNREACH"}


def test_link_does_not_reach_host(pair_with_pods: Pair) -> None:
    """Pods do not reach the real machine, through either hub."""
    links.ensure(*pair_with_pods)
    one, two = pair_with_pods
    caller = one.nodes[0]
    with socket.create_server(("", PORT)):
        assert call(caller, one.host_link.near) == "no answer"
        assert call(caller, two.host_link.near) == "ENETUNREACH"
        # Nor if a route sends the packets over the link.
        through = ["via", str(links.wire_address(two, one)), "dev", links.wire_name(two)]
        run(["ip", "-n", one.hub, "route", "add", two.host_link.near, *through])
        assert call(caller, two.host_link.near) == "no answer"


def test_link_drops_node_addresses(pair_with_pods: Pair) -> None:
    """Packets from a node's address, which the other cluster also uses, do not pass a link; a pod's packets do."""
    links.ensure(*pair_with_pods)
    caller, called = pair_with_pods[0].nodes[0], pair_with_pods[1].nodes[1]
    receiver = f"{called.name}-{PODS[0]}", str(called.pods[PODS[0]])
    own = f"{caller.name}-{PODS[0]}", str(caller.pods[PODS[0]])
    receive = inside(receiver[0], RECEIVE_DATAGRAM, receiver[1], str(PORT))
    with subprocess.Popen(receive, stdout=subprocess.PIPE, text=True) as listener:
        assert listener.stdout and listener.stdout.readline()
        for namespace, address in ((caller.name, caller.address), own):
            run(inside(namespace, SEND_DATAGRAM, address, receiver[1], str(PORT)))
        assert listener.stdout.read().strip() == own[1]


def test_link_again_repairs(pair_with_pods: Pair) -> None:
    """`link` on linked clusters changes nothing, and repairs interfaces, addresses and rules that are missing."""
    one, two = pair_with_pods
    links.ensure(one, two)
    before = wires(one), wires(two)
    assert all(before)
    links.ensure(two, one)
    network.ensure(one)
    assert (wires(one), wires(two)) == before
    run(["ip", "-n", one.hub, "link", "set", links.wire_name(two), "down"])
    run(["ip", "-n", two.hub, "address", "flush", "dev", links.wire_name(one)])
    run(["ip", "netns", "exec", one.hub, "nft", "flush", "ruleset"])
    assert first_answers(pair_with_pods) == {"ENETUNREACH"}
    links.ensure(one, two)
    assert answers(pair_with_pods) == {"itself"}


def test_link_ends_with_cluster_and_can_be_renewed(pair: Pair) -> None:
    """The removal of a cluster removes the link at once; the clusters can be linked again afterwards."""
    one, two = pair
    links.ensure(*pair)
    # A running process keeps a namespace alive; the link must not wait for the end of the process.
    with listening(two.hub, "127.0.0.1"):
        network.remove(two)
        assert wires(one) == []
        network.ensure(two)
        links.ensure(*pair)
        with populated(one), populated(two):
            assert answers(pair) == {"itself"}
    # The same for a namespace that another program deletes.
    with listening(two.hub, "127.0.0.1"):
        run(["ip", "netns", "delete", two.hub])
        network.ensure(two)
        links.ensure(*pair)
        with populated(one), populated(two):
            assert answers(pair) == {"itself"}


def test_remove_leaves_no_links(pair: Pair) -> None:
    """After the removal of both clusters, no namespace and no interface is left."""
    links.ensure(*pair)
    for cluster in pair:
        network.remove(cluster)
    assert not [name for name in network.namespaces() if name.startswith("links-")]
    assert "links-" not in run(["ip", "link", "show"])


def test_policies_see_linked_pods_as_addresses(pair_with_pods: Pair) -> None:
    """To network policies, pods of a linked cluster are addresses, which only `ipBlock` admits."""
    links.ensure(*pair_with_pods)
    (caller, _), (node, _) = (cluster.nodes for cluster in pair_with_pods)
    admitted, called = int(caller.pods[PODS[0]]), node.pods[PODS[0]]
    pod = Pod("shop", "users", "1", node.name, {}, (int(called),), (), "")
    only = Policy("shop", "only", (), (Rule((Peer(addresses=((admitted, admitted),)),), None),), None)
    table = render([pod], {"shop": {}}, [only], node.name, str(node.pods), str(node.cluster_pods))
    run(["ip", "netns", "exec", node.name, "nft", "-f", "-"], stdin=table)
    assert call(caller, called) == str(caller.pods[PODS[0]])
    # Refused with an answer, as for addresses outside the cluster; unknown pods of the same cluster are dropped.
    assert call(caller, called, PODS[1]) == "ECONNREFUSED"
