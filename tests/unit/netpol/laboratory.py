"""A node made of network namespaces: pods on routed links, as the ptp plugin creates them, and outside addresses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType

ENDPOINT = Path(__file__).with_name("endpoint.py")
GATEWAY = "10.244.0.1"
NODE = "192.0.2.2"


def run(*command: str, stdin: str = "") -> str:
    """Return the output of a command that must succeed."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


class Place:
    """A network namespace with servers on its addresses, from which connections can be tried."""

    def __init__(self, namespace: str, addresses: list[str], servers: list[tuple[str, int]]) -> None:
        self.namespace = namespace
        listening = [f"{address}:{protocol}:{port}" for address in addresses for protocol, port in servers]
        command = ["ip", "netns", "exec", namespace, sys.executable, str(ENDPOINT), *listening]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._read("ready")

    def attempt(self, protocol: str, source: str, target: str, port: int) -> str:
        """Return accept, reject (immediate) or drop (no answer)."""
        return self._ask({"try": [protocol, source, target, str(port)]})

    def hold(self, protocol: str, source: str, target: str, port: int) -> str:
        """Like `attempt`, but keep the connection open for `use`."""
        return self._ask({"hold": [protocol, source, target, str(port)]})

    def use(self) -> str:
        """Return the outcome of sending one more byte over the open connection."""
        return self._ask({"use": []})

    def heard(self, source: str) -> bool:
        """Whether a datagram from `source` has arrived since the last call."""
        return self._ask({"heard": [source]}) == "accept"

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait(timeout=5)
        self._process.stdout.close()

    def _ask(self, command: dict[str, list[str]]) -> str:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._read("accept", "reject", "drop")

    def _read(self, *expected: str) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline().strip()
        assert line in expected, f"the endpoint in {self.namespace} answered {line!r}"
        return line


class Laboratory:
    """A node with namespaces around it; `places` by address. Leaving the context removes all of them."""

    node: str

    def __init__(self, pods: list[str], outside: list[str], servers: list[tuple[str, int]]) -> None:
        self.places: dict[str, Place] = {}
        self._namespaces: list[str] = []
        self._pods, self._outside, self._servers = pods, outside, servers

    def __enter__(self) -> Laboratory:
        self.node = self._namespace("node")
        # With the kernel's rate limit on ICMP, some refusals of datagrams would look like losses.
        for setting in ("net.ipv4.ip_forward=1", "net.ipv4.icmp_ratelimit=0"):
            run("ip", "netns", "exec", self.node, "sysctl", "-qw", setting)
        for address in self._pods:
            self.connect_pod(address)
        self._connect_outside()
        self.places[NODE] = Place(self.node, [NODE], self._servers)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for place in set(self.places.values()):
            place.close()
        for namespace in self._namespaces:
            run("ip", "netns", "delete", namespace)

    def load(self, ruleset: str) -> None:
        """Replace the nftables table of the node."""
        run("ip", "netns", "exec", self.node, "nft", "-f", "-", stdin=ruleset)

    def attempt(self, protocol: str, source: str, target: str, port: int) -> str:
        """Return accept, reject or drop for a connection from the namespace of `source`."""
        return self.places[source].attempt(protocol, source, target, port)

    def connect_pod(self, address: str) -> None:
        """Create a pod with `address`, on a routed link of its own."""
        pod, wire = self._namespace(address), f"veth{address.replace('.', '')[-7:]}"
        self._wire(pod, wire)
        run("ip", "-n", self.node, "address", "add", f"{GATEWAY}/32", "dev", wire)
        run("ip", "-n", self.node, "route", "add", f"{address}/32", "dev", wire, "src", GATEWAY)
        run("ip", "-n", pod, "address", "add", f"{address}/32", "dev", "eth0")
        run("ip", "-n", pod, "route", "add", f"{GATEWAY}/32", "dev", "eth0", "src", address)
        run("ip", "-n", pod, "route", "add", "default", "via", GATEWAY, "src", address)
        self.places[address] = Place(pod, [address], self._servers)

    def _connect_outside(self) -> None:
        """Create one namespace with all addresses outside the node: other pods, other nodes, the internet."""
        outside = self._namespace("outside")
        self._wire(outside, "uplink")
        run("ip", "-n", self.node, "address", "add", f"{NODE}/30", "dev", "uplink")
        run("ip", "-n", outside, "address", "add", "192.0.2.1/30", "dev", "eth0")
        run("ip", "-n", self.node, "route", "add", "default", "via", "192.0.2.1")
        run("ip", "-n", outside, "route", "add", "10.244.0.0/24", "via", NODE)
        for address in self._outside:
            run("ip", "-n", outside, "address", "add", f"{address}/32", "dev", "lo")
        self.places |= dict.fromkeys(self._outside, Place(outside, self._outside, self._servers))

    def _wire(self, namespace: str, name: str) -> None:
        run("ip", "-n", self.node, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        run("ip", "-n", self.node, "link", "set", name, "up")
        run("ip", "-n", namespace, "link", "set", "eth0", "up")

    def _namespace(self, name: str) -> str:
        namespace = f"netpol-{os.getpid()}-{name}"
        run("ip", "netns", "add", namespace)
        self._namespaces.append(namespace)
        run("ip", "-n", namespace, "link", "set", "lo", "up")
        return namespace
