"""A node with a network policy agent for tests, and the pods and policies that the agent enforces."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kubernetes import client

from localcluster.netpol.render import TABLE

NAMESPACE = f"netpol-agent-{os.getpid()}"


def until(true: Callable[[], bool], seconds: float = 10) -> None:
    """Poll for a state outside the API, for which there is no event."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.01)


class Node:
    """A network namespace with an agent, whose `nft` is the real program in that namespace."""

    def __init__(self, folder: Path, kubeconfig: Path) -> None:
        self.results, self.ready, self.off = folder / "results", folder / "ready", folder / "switch" / "off"
        self._kubeconfig, self._log = kubeconfig, folder / "log"
        program = folder / "bin" / "nft"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec ip netns exec {NAMESPACE} {shutil.which("nft")} "$@"\n')
        program.chmod(0o755)
        self._environment = os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}"}
        subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)
        self.process = self._start()

    def restart(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Kill the agent, as a crash does, and start another."""
        self.process.kill()
        self.process.wait()
        self.ready.unlink(missing_ok=True)  # after the end, because an agent may be about to write the file
        meanwhile()
        self.process = self._start()

    def table(self) -> str:
        command = ["ip", "netns", "exec", NAMESPACE, "nft", "list", "table", *TABLE.split()]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def holds(self, address: str) -> bool:
        """Whether the node's table has the address of a pod."""
        held = self.table().partition("set held")[2].partition("}\n\n")[0]
        return f" {address}" in held.replace(",", " ").replace("{", " ").replace("}", " ")

    def memory_kb(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])

    def remove(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=10)
        subprocess.run(["ip", "netns", "delete", NAMESPACE], check=True)

    def _start(self) -> subprocess.Popen[bytes]:
        told = ["--node", "node-a", "--pod-cidr", "10.244.0.0/24", "--cluster-cidr", "10.244.0.0/16"]
        files = [
            "--kubeconfig",
            self._kubeconfig,
            "--ready-file",
            self.ready,
            "--sandboxes",
            self.results,
            "--off-file",
            self.off,
        ]
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "localcluster.netpol", *told, *files]
            return subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)


def create_pod(name: str, address: str | None = None, node_name: str = "node-a") -> str:
    """Create a pod on the node and return its UID; with an address, the pod is Running."""
    spec = {"nodeName": node_name, "containers": [{"name": "main", "image": "none"}]}
    body = {"metadata": {"name": name, "labels": {"app": name}}, "spec": spec}
    uid = client.CoreV1Api().create_namespaced_pod("shop", body).metadata.uid
    if address:
        status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
        client.CoreV1Api().patch_namespaced_pod_status(name, "shop", {"status": status})
    return str(uid)


def create_policy(name: str, **spec: Any) -> None:
    body = {"metadata": {"name": name}, "spec": {"podSelector": {}, **spec}}
    client.NetworkingV1Api().create_namespaced_network_policy("shop", body)


def write_result(node: Node, uid: str, address: str) -> Path:
    """Write the result file that libcni leaves after it has set up a pod's network."""
    file = node.results / f"pods-{uid}-eth0"
    file.write_text(json.dumps({"cniArgs": [["K8S_POD_UID", uid]], "result": {"ips": [{"address": f"{address}/24"}]}}))
    return file
