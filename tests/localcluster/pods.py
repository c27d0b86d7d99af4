"""Simulated pods and API servers at the addresses of clusters, for tests of links; no Kubernetes is needed."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from typing import TypeAlias

from localcluster import network
from localcluster.network import ClusterNetwork, NodeNetwork
from localcluster.run import run

Pair: TypeAlias = tuple[ClusterNetwork, ClusterNetwork]
PORT = 6443
PODS = (5, 6)
"""The indexes, among the addresses of a node's pods, of the simulated pods."""
SERVE = """
import socket, sys
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("listening", flush=True)
while True:
    caller, (source, _) = listener.accept()
    caller.sendall(source.encode())
    caller.close()
"""
CALL = """
import errno, socket, sys
try:
    with socket.create_connection((sys.argv[2], int(sys.argv[3])), 2, (sys.argv[1], 0)) as server:
        print(server.recv(99).decode())
except TimeoutError:
    print("no answer")
except OSError as error:
    print(errno.errorcode[error.errno])
"""
RECEIVE_DATAGRAM = """
import socket, sys
listener = socket.socket(type=socket.SOCK_DGRAM)
listener.bind((sys.argv[1], int(sys.argv[2])))
listener.settimeout(5)
print("listening", flush=True)
print(listener.recvfrom(99)[1][0])
"""
SEND_DATAGRAM = """
import socket, sys
sender = socket.socket(type=socket.SOCK_DGRAM)
sender.bind((sys.argv[1], 0))
sender.sendto(b"here", (sys.argv[2], int(sys.argv[3])))
"""


def inside(namespace: str, program: str, *arguments: str) -> list[str]:
    """Return the command that runs a Python program in a network namespace."""
    return ["nsenter", f"--net=/run/netns/{namespace}", sys.executable, "-c", program, *arguments]


@contextlib.contextmanager
def listening(namespace: str, address: str) -> Iterator[None]:
    """Run a server at `address` that answers every connection with the client's address."""
    with subprocess.Popen(inside(namespace, SERVE, address, str(PORT)), stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout and server.stdout.readline()
            yield
        finally:
            server.kill()


@contextlib.contextmanager
def running_pod(node: NodeNetwork, pod: int) -> Iterator[None]:
    """Create a pod like the network plugin does: a namespace that is connected to the node's and routed there."""
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
    """Run pods on every node, and a server at the address of the API server."""
    with contextlib.ExitStack() as stack:
        for node in cluster.nodes:
            for pod in PODS:
                stack.enter_context(running_pod(node, pod))
        stack.enter_context(listening(cluster.hub, cluster.api_address))
        yield


def call(node: NodeNetwork, address: object, pod: int = PODS[0]) -> str:
    """Return the source address that a server at `address` sees for a pod, or the error of the connection."""
    return run(inside(f"{node.name}-{pod}", CALL, str(node.pods[pod]), str(address), str(PORT))).strip()


def answers(pair: Pair) -> set[str]:
    """Return the results of calls from all pods to the other cluster's pods and API server.

    "itself" replaces the caller's own address, the expected result.
    """
    results = set()
    for near, far in (pair, pair[::-1]):
        for node in near.nodes:
            for address in (*(other.pods[PODS[0]] for other in far.nodes), far.api_address):
                result = call(node, address)
                results.add("itself" if result == str(node.pods[PODS[0]]) else result)
    return results


def first_answers(pair: Pair) -> set[str]:
    """Return the results of one call in each direction; the kernel rate-limits the ICMP errors of further calls."""
    return {call(near.nodes[0], far.nodes[0].pods[PODS[0]]) for near, far in (pair, pair[::-1])}
