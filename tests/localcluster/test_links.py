"""Two clusters of one machine, linked: as far as packets go, which needs no Kubernetes on them."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import TypeAlias

import pytest

from localcluster import links, network
from localcluster.cluster import ZONES
from localcluster.netpol.model import Peer, Pod, Policy, Rule
from localcluster.netpol.render import render
from localcluster.network import ClusterNetwork, NodeNetwork
from localcluster.run import run

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("nft"), reason="makes network namespaces, which root may, and rules with nft"
)

Pair: TypeAlias = tuple[ClusterNetwork, ClusterNetwork]
PORT = 6443
PODS = (5, 6)
"""Where, among the addresses of a node's pods, somebody lives."""
LISTEN = """
import socket, sys
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("listening", flush=True)
while True:
    caller, (source, _) = listener.accept()
    caller.sendall(source.encode())
    caller.close()
"""
ASK = """
import errno, socket, sys
try:
    with socket.create_connection((sys.argv[2], int(sys.argv[3])), 2, (sys.argv[1], 0)) as server:
        print(server.recv(99).decode())
except TimeoutError:
    print("no answer")
except OSError as error:
    print(errno.errorcode[error.errno])
"""
HEAR = """
import socket, sys
listener = socket.socket(type=socket.SOCK_DGRAM)
listener.bind((sys.argv[1], int(sys.argv[2])))
listener.settimeout(5)
print("listening", flush=True)
print(listener.recvfrom(99)[1][0])
"""
SAY = """
import socket, sys
speaker = socket.socket(type=socket.SOCK_DGRAM)
speaker.bind((sys.argv[1], 0))
speaker.sendto(b"here", (sys.argv[2], int(sys.argv[3])))
"""


def inside(namespace: str, program: str, *arguments: str) -> list[str]:
    return ["nsenter", f"--net=/run/netns/{namespace}", sys.executable, "-c", program, *arguments]


@contextlib.contextmanager
def listening(namespace: str, address: str) -> Iterator[None]:
    """Somebody there, who tells callers the address they call from."""
    with subprocess.Popen(inside(namespace, LISTEN, address, str(PORT)), stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout and server.stdout.readline()
            yield
        finally:
            server.kill()


@contextlib.contextmanager
def living(node: NodeNetwork, pod: int) -> Iterator[None]:
    """A pod as the network plugin makes one: a namespace behind the node's, which routes its packets."""
    name, wire, address, gateway = f"{node.name}-{pod}", f"pod-{pod}", str(node.pods[pod]), str(node.pods[1])
    run(["ip", "netns", "add", name])
    try:
        network.connect(["-n", node.name], wire, name, "eth0")
        for where, end, own in ((node.name, wire, gateway), (name, "eth0", address)):
            run(["ip", "-n", where, "address", "add", f"{own}/32", "dev", end])
            run(["ip", "-n", where, "link", "set", end, "up"])
        run(["ip", "-n", node.name, "route", "add", address, "dev", wire])
        run(["ip", "-n", name, "route", "add", "default", "via", gateway, "dev", "eth0", "onlink"])
        with listening(name, address):
            yield
    finally:
        run(["ip", "netns", "delete", name])


@contextlib.contextmanager
def populated(cluster: ClusterNetwork) -> Iterator[None]:
    """Pods on every node and an API server, as far as their addresses go."""
    with contextlib.ExitStack() as everybody:
        for node in cluster.nodes:
            for pod in PODS:
                everybody.enter_context(living(node, pod))
        everybody.enter_context(listening(cluster.hub, cluster.api_address))
        yield


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two clusters that are not linked."""
    with contextlib.ExitStack() as made:
        clusters = []
        for name in ("links-one", "links-two"):
            clusters.append(network.plan(name, ZONES, network.free_host_block()))
            made.callback(network.remove, clusters[-1])
            network.ensure(clusters[-1])
        yield clusters[0], clusters[1]


@pytest.fixture
def inhabited(pair: Pair) -> Iterator[Pair]:
    """The two with their pods and API servers."""
    with populated(pair[0]), populated(pair[1]):
        yield pair


def ask(node: NodeNetwork, address: object, pod: int = PODS[0]) -> str:
    """The address that a pod of the node is seen at when it calls `address`, or why it gets no answer."""
    return run(inside(f"{node.name}-{pod}", ASK, str(node.pods[pod]), str(address), str(PORT))).strip()


def answers(pair: Pair) -> set[str]:
    """What all pods of each cluster get from the pods and the API server of the other: "itself" is as it should be."""
    heard = set()
    for near, far in (pair, pair[::-1]):
        for node in near.nodes:
            for called in (*(there.pods[PODS[0]] for there in far.nodes), far.api_address):
                said = ask(node, called)
                heard.add("itself" if said == str(node.pods[PODS[0]]) else said)
    return heard


def first_answers(pair: Pair) -> set[str]:
    """What one pod of each cluster gets from one of the other: the kernel does not say often that there is no way."""
    return {ask(near.nodes[0], far.nodes[0].pods[PODS[0]]) for near, far in (pair, pair[::-1])}


def wires(cluster: ClusterNetwork) -> list[str]:
    """The wires in a hub, and the routes through them."""
    hub = ["ip", "-brief", "-n", cluster.hub]
    lines = [*run([*hub, "link", "show"]).splitlines(), *run([*hub, "route", "show"]).splitlines()]
    return sorted(line for line in lines if "link-" in line)


def routes_out_here(pair: Pair) -> list[str]:
    """The routes of this machine that lead to pods of the two, or to wires."""
    listed = [route["dst"] for route in json.loads(run(["ip", "-json", "-4", "route", "show", "table", "all"]))]
    blocks = [ipaddress.IPv4Network(block) for block in listed if block != "default"]
    inner = [links.WIRES, *(cluster.pods for cluster in pair)]
    return [str(block) for block in blocks if any(block.subnet_of(one) for one in inner)]


def test_linked_clusters_reach_each_others_pods_and_api_servers_as_themselves(inhabited: Pair) -> None:
    assert first_answers(inhabited) == {"ENETUNREACH"}
    links.ensure(*inhabited)
    assert answers(inhabited) == {"itself"}
    for near, far in (inhabited, inhabited[::-1]):
        from_api_server = inside(near.hub, ASK, "", str(far.nodes[0].pods[PODS[0]]), str(PORT))
        assert run(from_api_server).strip() == near.api_address
    assert routes_out_here(inhabited) == []


def test_a_pod_that_is_gone_is_unreachable_at_once(inhabited: Pair) -> None:
    links.ensure(*inhabited)
    for near, far in (inhabited, inhabited[::-1]):
        assert {ask(node, there.pods[99]) for node in near.nodes for there in far.nodes} == {"EHOSTUNREACH"}


def test_a_link_leads_to_no_machine(inhabited: Pair) -> None:
    links.ensure(*inhabited)
    one, two = inhabited
    caller = one.nodes[0]
    with socket.create_server(("", PORT)):
        assert ask(caller, one.host_link.near) == "no answer"
        assert ask(caller, two.host_link.near) == "ENETUNREACH"
        # Also when somebody has it sent over the wire.
        through = ["via", str(links.wire_address(two, one)), "dev", links.wire_name(two)]
        run(["ip", "-n", one.hub, "route", "add", two.host_link.near, *through])
        assert ask(caller, two.host_link.near) == "no answer"


def test_a_node_whose_like_is_over_there_is_not_heard_over_a_link(inhabited: Pair) -> None:
    links.ensure(*inhabited)
    caller, called = inhabited[0].nodes[0], inhabited[1].nodes[1]
    there = f"{called.name}-{PODS[0]}", str(called.pods[PODS[0]])
    own = f"{caller.name}-{PODS[0]}", str(caller.pods[PODS[0]])
    with subprocess.Popen(inside(there[0], HEAR, there[1], str(PORT)), stdout=subprocess.PIPE, text=True) as listener:
        assert listener.stdout and listener.stdout.readline()
        for namespace, address in ((caller.name, caller.address), own):
            run(inside(namespace, SAY, address, there[1], str(PORT)))
        assert listener.stdout.read().strip() == own[1]


def test_a_link_is_left_as_it_is_or_put_right(inhabited: Pair) -> None:
    one, two = inhabited
    links.ensure(one, two)
    before = wires(one), wires(two)
    assert all(before)
    links.ensure(two, one)
    network.ensure(one)
    assert (wires(one), wires(two)) == before
    run(["ip", "-n", one.hub, "link", "set", links.wire_name(two), "down"])
    run(["ip", "-n", two.hub, "address", "flush", "dev", links.wire_name(one)])
    run(["ip", "netns", "exec", one.hub, "nft", "flush", "ruleset"])
    assert first_answers(inhabited) == {"ENETUNREACH"}
    links.ensure(one, two)
    assert answers(inhabited) == {"itself"}


def test_a_cluster_that_goes_takes_the_link_with_it_and_is_linked_again(pair: Pair) -> None:
    one, two = pair
    links.ensure(*pair)
    # A process that ends later holds on to the namespace; the wire must not wait for it.
    with listening(two.hub, "127.0.0.1"):
        network.remove(two)
        assert wires(one) == []
        network.ensure(two)
        links.ensure(*pair)
        with populated(one), populated(two):
            assert answers(pair) == {"itself"}
    # As when somebody else deletes the namespace.
    with listening(two.hub, "127.0.0.1"):
        run(["ip", "netns", "delete", two.hub])
        network.ensure(two)
        links.ensure(*pair)
        with populated(one), populated(two):
            assert answers(pair) == {"itself"}


def test_nothing_is_left_of_linked_clusters(pair: Pair) -> None:
    links.ensure(*pair)
    for cluster in pair:
        network.remove(cluster)
    assert not [name for name in network.namespaces() if name.startswith("links-")]
    assert "links-" not in run(["ip", "link", "show"])


def test_to_policies_pods_of_a_linked_cluster_are_addresses(inhabited: Pair) -> None:
    links.ensure(*inhabited)
    (caller, _), (node, _) = (cluster.nodes for cluster in inhabited)
    welcome, called = int(caller.pods[PODS[0]]), node.pods[PODS[0]]
    pod = Pod("shop", "users", "1", node.name, {}, (int(called),), (), "")
    only = Policy("shop", "only", (), (Rule((Peer(addresses=((welcome, welcome),)),), None),), None)
    table = render([pod], {"shop": {}}, [only], node.name, str(node.pods), str(node.cluster_pods))
    run(["ip", "netns", "exec", node.name, "nft", "-f", "-"], stdin=table)
    assert ask(caller, called) == str(caller.pods[PODS[0]])
    # Refused like anybody outside, with an answer: no stranger among the cluster's own.
    assert ask(caller, called, PODS[1]) == "ECONNREFUSED"
