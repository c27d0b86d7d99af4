"""Start, repair and removal of a local cluster, tested with a cluster of its own name besides any other."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcluster import cgroups, cluster, network, paths
from localcluster.cluster import Cluster
from localcluster.netpol.render import TABLE
from localcluster.paths import ClusterPaths
from localcluster.run import succeeds

NAME = "lifecycle"
WHERE = ClusterPaths(NAME)
SECONDS = 180
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to create network and process namespaces")


def localcluster(*command: str) -> list[str]:
    return [sys.executable, "-m", "localcluster", "--name", NAME, *command]


def up() -> Cluster:
    subprocess.run(localcluster("up"), check=True, timeout=SECONDS)
    return cluster.describe(WHERE, cluster.settings(WHERE))


def down() -> None:
    subprocess.run(localcluster("down"), check=True, timeout=SECONDS)


@pytest.fixture(scope="module")
def running() -> Iterator[Cluster]:
    down()
    try:
        yield up()
    finally:
        down()


def kubelets(machine_name: str) -> list[int]:
    """Return the ids of the processes on the real machine that are the kubelet of a simulated machine."""
    wanted = f"--config={WHERE.machine(machine_name)}/kubelet.yaml"
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_text().split("\0")
            if words[0].endswith("/kubelet") and wanted in words:
                found.append(int(process.name))
    return found


def restarts(running: Cluster) -> dict[str, int]:
    """Return the restart count of each system pod, by pod and node."""
    listed = running.kubectl("get", "pods", "-n", "kube-system", "-l", "k8s-app=kube-dns", "-o", "json")
    return {
        f"{pod['metadata']['name']} on {pod['spec']['nodeName']}": pod["status"]["containerStatuses"][0]["restartCount"]
        for pod in json.loads(listed)["items"]
    }


def is_healthy() -> bool:
    return subprocess.run(localcluster("status"), timeout=SECONDS, stdout=subprocess.DEVNULL).returncode == 0


def test_up_twice_changes_nothing(running: Cluster) -> None:
    """A second `up` keeps all machines of a healthy cluster running."""
    before = [machine.running() for machine in running.machines]
    again = up()
    assert [machine.running() for machine in again.machines] == before


def test_kubelet_killed_restarts(running: Cluster) -> None:
    """A killed kubelet is restarted, and the pods of its node are not."""
    node = running.nodes[0].name
    before = restarts(running)
    (killed,) = kubelets(node)
    os.kill(killed, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while kubelets(node) in ([], [killed]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert kubelets(node) not in ([], [killed])
    up()
    assert restarts(running) == before


def test_node_killed_is_repaired(running: Cluster) -> None:
    """The loss of a node makes `status` unhealthy; `up` restores the node, and its pods restart once."""
    lost = running.nodes[0]
    before = restarts(running)
    pid = lost.running()
    assert pid
    os.kill(pid, signal.SIGKILL)
    assert not is_healthy()
    up()
    for pod, count in restarts(running).items():
        assert count == before[pod] + pod.endswith(lost.name), pod


def test_control_plane_killed_keeps_data(running: Cluster) -> None:
    """After the loss of the control plane, `up` restores it with all objects."""
    running.kubectl("create", "namespace", "kept")
    pid = running.control.running()
    assert pid
    os.kill(pid, signal.SIGKILL)
    up()
    assert "kept" in running.kubectl("get", "namespaces", "--output=name")


def test_namespace_deleted_is_recreated(running: Cluster) -> None:
    """`up` recreates a deleted network namespace of a node."""
    subprocess.run(["ip", "netns", "delete", running.nodes[1].name], check=True)
    up()
    assert all(machine.has_network() for machine in running.machines)


def test_netpol_off_persists(running: Cluster) -> None:
    """Enforcement that is turned off stays off after a node loss and `up`, until it is turned on."""
    subprocess.run(localcluster("netpol", "off"), check=True, timeout=SECONDS)
    assert enforcing(running) == [False, False]
    assert not is_healthy()
    pid = running.nodes[0].running()
    assert pid
    os.kill(pid, signal.SIGKILL)
    up()
    assert enforcing(running) == [False, False]
    subprocess.run(localcluster("netpol", "on"), check=True, timeout=SECONDS)
    assert enforcing(running) == [True, True]
    # After the loss of a node, `up` does not wait for Deployments that no other part needs, such as metrics-server.
    running.kubectl("wait", "deployments", "--all", "-A", "--for=condition=Available", "--timeout=90s", timeout=100)
    assert is_healthy()


def enforcing(running: Cluster) -> list[bool]:
    """Return for each node whether the network policy table is loaded."""
    return [succeeds(machine.enter("nft", "list", "table", *TABLE.split())) for machine in running.nodes]


def test_down_removes_everything(running: Cluster) -> None:
    """After `down`, no file, namespace, interface, control group, process or mount of the cluster exists."""
    pids = [machine.running() for machine in running.machines]
    down()
    assert not WHERE.root.exists()
    assert not [name for name in network.namespaces() if name.startswith(NAME)]
    assert NAME not in subprocess.run(["ip", "link"], capture_output=True, text=True, check=True).stdout
    assert not [group for tree in cgroups.trees() for group in tree.glob(f"{NAME}*")]
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert str(WHERE.root) not in Path("/proc/self/mounts").read_text()


def test_up_interrupted_is_completed_by_up(running: Cluster) -> None:
    """A killed `up` is completed by the next `up`."""
    down()
    with subprocess.Popen(localcluster("up"), stdout=subprocess.DEVNULL) as first:
        record = running.nodes[-1].record
        while not record.exists() and first.poll() is None:
            time.sleep(0.01)
        first.kill()
    assert record.exists()
    up()
    assert "Ready" in running.kubectl("get", "nodes")


@pytest.mark.usefixtures("running")
def test_up_interrupted_is_removed_by_down() -> None:
    """`down` removes the remains of a killed `up`."""
    down()
    with subprocess.Popen(localcluster("up"), stdout=subprocess.DEVNULL) as first:
        while NAME not in network.namespaces() and first.poll() is None:
            time.sleep(0.01)
        first.kill()
    down()
    assert not [name for name in network.namespaces() if name.startswith(NAME)]


def test_up_other_cache_is_refused(running: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster of the same name in another cache folder is reported and left unchanged."""
    up()
    monkeypatch.setenv("FREEHOLD_CACHE", str(tmp_path))
    assert paths.cache() == tmp_path
    with pytest.raises(Exception, match="another FREEHOLD_CACHE"):
        cluster.settings(ClusterPaths(NAME))
    monkeypatch.undo()
    assert all(machine.running() for machine in running.machines)
