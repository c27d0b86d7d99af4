"""Waits until the parts of a cluster are ready, based on current reports rather than on stored state."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Protocol

from .errors import LocalClusterError
from .machine import Machine
from .netpol.render import TABLE
from .run import succeeds

# The time a part has to become ready on a busy machine, before a failure is reported.
PATIENCE_SECONDS = 90
POLL_SECONDS = 0.1


class Cluster(Protocol):
    """The parts of a cluster that are waited for; `cluster.Cluster` has these."""

    @property
    def control(self) -> Machine: ...
    @property
    def nodes(self) -> tuple[Machine, ...]: ...
    def kubectl(self, *arguments: str, timeout: float = ...) -> str: ...


def until(attempt: Callable[[], object], failure: str) -> None:
    """Retry `attempt` until success or timeout (LocalClusterError); for conditions without a watchable object."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            attempt()
        except (LocalClusterError, OSError) as error:
            if time.monotonic() > deadline:
                raise LocalClusterError(f"{failure}\n{error}") from error
            time.sleep(POLL_SECONDS)
        else:
            return


def api(cluster: Cluster) -> None:
    """Wait until the API server reports ready."""
    logs = cluster.control.root / "logs"
    until(
        lambda: cluster.kubectl("get", "--raw=/readyz", "--request-timeout=2s"),
        f"The API server was not ready within {PATIENCE_SECONDS} s; see {logs}",
    )


def policies(machine: Machine, *, on: bool) -> None:
    """Wait until a node's network policy table is in force (`on`) or removed."""
    command = machine.enter("nft", "-t", "list", "table", *TABLE.split())

    def attempt() -> None:
        if succeeds(command) is not on:
            raise LocalClusterError(f"the nftables table is {'not in force' if on else 'still in force'}")

    log = machine.root / "logs" / "network-policy.log"
    until(attempt, f"The network policy agent of {machine.name} did not react; see {log}")


def containerd(machine: Machine) -> None:
    """Wait until a node's containerd listens on its socket."""
    socket = machine.folder("/run") / "containerd" / "containerd.sock"
    until(socket.stat, f"containerd of {machine.name} did not start; see {machine.root / 'logs'}")


def nodes(cluster: Cluster) -> None:
    """Wait until every kubelet has renewed its lease since the last start of its machine, and every node is Ready."""
    logs = ", ".join(str(machine.root / "logs") for machine in cluster.nodes)
    failure = f"A node did not become Ready; see {logs}"
    for machine in cluster.nodes:
        until(functools.partial(_check_reports, cluster, machine), failure)
    names = [machine.name for machine in cluster.nodes]
    ready = ("wait", "--for=condition=Ready", "nodes", *names, f"--timeout={PATIENCE_SECONDS}s")
    until(lambda: cluster.kubectl(*ready, timeout=PATIENCE_SECONDS + 5), failure)


def addons(cluster: Cluster, deployments: Iterable[tuple[str, str]]) -> None:
    """Wait until Deployments (namespace, name) are rolled out, with pods started after their node's machine."""
    since = {machine.name: machine.since() for machine in cluster.nodes}
    for namespace, name in deployments:
        rollout = ("rollout", "status", f"deployment/{name}", f"--timeout={PATIENCE_SECONDS}s")
        failure = f"Deployment {name} in namespace {namespace} did not become ready"
        until(functools.partial(_check_pods, cluster, namespace, name, since), failure)
        cluster.kubectl("-n", namespace, *rollout, timeout=PATIENCE_SECONDS + 5)


def _check_reports(cluster: Cluster, machine: Machine) -> None:
    lease = cluster.kubectl("-n", "kube-node-lease", "get", "lease", machine.name, "-o", "json")
    if seconds(json.loads(lease)["spec"]["renewTime"]) < machine.since():
        raise LocalClusterError(f"The kubelet of {machine.name} has not reported since the node was started")


def _check_pods(cluster: Cluster, namespace: str, deployment: str, since: dict[str, float]) -> None:
    pods = json.loads(cluster.kubectl("-n", namespace, "get", "pods", "-o", "json"))["items"]
    names = [pod["metadata"]["name"] for pod in pods if is_stale(pod, since)]
    stale = [name for name in names if name.startswith(f"{deployment}-")]
    if stale:
        raise LocalClusterError(f"{', '.join(stale)}: not restarted since the last start of the node")


def is_stale(pod: dict[str, Any], since: dict[str, float]) -> bool:
    """Whether the status of a running pod dates from before the last start of its node."""
    states = (container["state"] for container in pod["status"].get("containerStatuses", []))
    started = [seconds(state["running"]["startedAt"]) for state in states if "running" in state]
    # The API server truncates times to whole seconds.
    return any(moment + 1 < since.get(pod["spec"].get("nodeName"), 0.0) for moment in started)


def seconds(moment: str) -> float:
    """Convert a time in the API server's format to seconds of the Unix epoch."""
    return datetime.fromisoformat(moment).timestamp()
