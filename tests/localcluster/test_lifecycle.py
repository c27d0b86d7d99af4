"""The local cluster comes up from anywhere and goes without a trace: a second one, beside whatever runs here."""

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
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes network and process namespaces, which root may")


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
    """The processes out here that are the kubelet of a machine."""
    wanted = f"--config={WHERE.machine(machine_name)}/kubelet.yaml"
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_text().split("\0")
            if words[0].endswith("/kubelet") and wanted in words:
                found.append(int(process.name))
    return found


def restarts(running: Cluster) -> dict[str, int]:
    """How often each system pod was started again."""
    listed = running.kubectl("get", "pods", "-n", "kube-system", "-l", "k8s-app=kube-dns", "-o", "json")
    return {
        f"{pod['metadata']['name']} on {pod['spec']['nodeName']}": pod["status"]["containerStatuses"][0]["restartCount"]
        for pod in json.loads(listed)["items"]
    }


def well() -> bool:
    return subprocess.run(localcluster("status"), timeout=SECONDS, stdout=subprocess.DEVNULL).returncode == 0


def test_a_second_up_changes_nothing(running: Cluster) -> None:
    before = [machine.running() for machine in running.machines]
    again = up()
    assert [machine.running() for machine in again.machines] == before


def test_a_killed_kubelet_comes_back_and_its_pods_stay(running: Cluster) -> None:
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


def test_a_lost_node_is_reported_and_comes_back_with_its_pods(running: Cluster) -> None:
    lost = running.nodes[0]
    before = restarts(running)
    pid = lost.running()
    assert pid
    os.kill(pid, signal.SIGKILL)
    assert not well()
    up()
    for pod, count in restarts(running).items():
        assert count == before[pod] + pod.endswith(lost.name), pod


def test_a_lost_control_plane_comes_back_with_what_it_knew(running: Cluster) -> None:
    running.kubectl("create", "namespace", "kept")
    pid = running.control.running()
    assert pid
    os.kill(pid, signal.SIGKILL)
    up()
    assert "kept" in running.kubectl("get", "namespaces", "--output=name")


def test_a_deleted_network_namespace_is_made_again(running: Cluster) -> None:
    subprocess.run(["ip", "netns", "delete", running.nodes[1].name], check=True)
    up()
    assert all(machine.has_network() for machine in running.machines)


def test_policies_that_are_not_to_be_enforced_are_not_until_they_are_to_be_again(running: Cluster) -> None:
    subprocess.run(localcluster("netpol", "off"), check=True, timeout=SECONDS)
    assert walled(running) == [False, False]
    assert not well()
    pid = running.nodes[0].running()
    assert pid
    os.kill(pid, signal.SIGKILL)
    up()
    assert walled(running) == [False, False]
    subprocess.run(localcluster("netpol", "on"), check=True, timeout=SECONDS)
    assert walled(running) == [True, True]
    # What serves no other part, like metrics, `up` does not wait for after the loss of a node.
    running.kubectl("wait", "deployments", "--all", "-A", "--for=condition=Available", "--timeout=90s", timeout=100)
    assert well()


def walled(running: Cluster) -> list[bool]:
    """Whether each node has its table of policies."""
    return [succeeds(machine.enter("nft", "list", "table", *TABLE.split())) for machine in running.nodes]


def test_after_down_nothing_is_left(running: Cluster) -> None:
    pids = [machine.running() for machine in running.machines]
    down()
    assert not WHERE.root.exists()
    assert not [name for name in network.namespaces() if name.startswith(NAME)]
    assert NAME not in subprocess.run(["ip", "link"], capture_output=True, text=True, check=True).stdout
    assert not [group for tree in cgroups.trees() for group in tree.glob(f"{NAME}*")]
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert str(WHERE.root) not in Path("/proc/self/mounts").read_text()


def test_an_interrupted_up_is_completed_by_the_next_one(running: Cluster) -> None:
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
def test_an_interrupted_up_is_removed_by_down() -> None:
    down()
    with subprocess.Popen(localcluster("up"), stdout=subprocess.DEVNULL) as first:
        while NAME not in network.namespaces() and first.poll() is None:
            time.sleep(0.01)
        first.kill()
    down()
    assert not [name for name in network.namespaces() if name.startswith(NAME)]


def test_a_cluster_of_the_same_name_from_another_cache_is_left_alone(
    running: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    up()
    monkeypatch.setenv("FREEHOLD_CACHE", str(tmp_path))
    assert paths.cache() == tmp_path
    with pytest.raises(Exception, match="another FREEHOLD_CACHE"):
        cluster.settings(ClusterPaths(NAME))
    monkeypatch.undo()
    assert all(machine.running() for machine in running.machines)
