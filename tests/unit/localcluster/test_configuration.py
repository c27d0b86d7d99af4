"""Tests that the configuration files of the cluster's parts agree with each other."""

from __future__ import annotations

import ipaddress
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster import certificates, cluster, controlplane, network, node, paths
from localcluster.errors import LocalClusterError
from localcluster.locks import locked
from localcluster.machine import Machine

PLAN = network.plan("freehold", ("a", "b"), ipaddress.IPv4Network("198.51.100.0/30"))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    first = PLAN.nodes[0]
    certificates.ensure(tmp_path / "pki", node.identities(first))
    return node.configure(
        first,
        tmp_path / "freehold-a",
        tmp_path / "pki",
        "https://198.51.100.2:6443",
        tmp_path / "off",
        [tmp_path / "b"],
    )


def manifests() -> list[dict[str, Any]]:
    files = sorted(cluster.MANIFESTS.glob("*.yaml"))
    return [document for file in files for document in yaml.safe_load_all(file.read_text())]


def test_kubelet_starts_after_policy_agent(machine: Machine) -> None:
    """The kubelet starts after the network policy agent has reported ready."""
    order = [service.name for service in machine.services]
    agent = machine.services[order.index("network-policy")]
    assert agent.ready_file
    assert order.index("network-policy") < order.index("kubelet")
    assert agent.argv[agent.argv.index("--ready-file") + 1] == agent.ready_file


def test_policy_agent_reads_sandboxes_of_all_nodes(machine: Machine, tmp_path: Path) -> None:
    """The policy agent reads the libcni results of its own and of the other nodes."""
    agent = next(service for service in machine.services if service.name == "network-policy")
    folders = [agent.argv[index + 1] for index, word in enumerate(agent.argv) if word == "--sandboxes"]
    assert folders == ["/var/lib/cni/results", f"{tmp_path}/b/var-lib/cni/results"]


def test_second_cluster_has_own_pod_range(tmp_path: Path) -> None:
    """The pod range passed to the agent and to kube-proxy excludes the pods of other clusters."""
    second = network.plan("second", ("a", "b"), ipaddress.IPv4Network("198.51.100.4/30"))
    certificates.ensure(tmp_path / "pki", node.identities(second.nodes[1]))
    machine = node.configure(second.nodes[1], tmp_path / "b", tmp_path / "pki", "https://there", tmp_path / "off")
    agent = next(service for service in machine.services if service.name == "network-policy")
    assert agent.argv[agent.argv.index("--pod-cidr") + 1] == "10.244.5.0/24"
    assert agent.argv[agent.argv.index("--cluster-cidr") + 1] == "10.244.4.0/22"
    assert yaml.safe_load((machine.root / "kube-proxy.yaml").read_text())["clusterCIDR"] == "10.244.4.0/22"


def test_policy_agent_off_file(machine: Machine, tmp_path: Path) -> None:
    """The agent watches the file that `netpol off` creates."""
    agent = next(service for service in machine.services if service.name == "network-policy")
    assert agent.argv[agent.argv.index("--off-file") + 1] == str(tmp_path / "off")


def test_pod_network_is_routed(machine: Machine) -> None:
    """Pods have point-to-point links, so that every packet between pods is routed."""
    (plugin,) = json.loads((machine.root / "cni" / "10-ptp.conflist").read_text())["plugins"]
    assert plugin["type"] == "ptp"
    assert plugin["ipam"]["ranges"] == [[{"subnet": "10.244.0.0/24"}]]


def test_kubelet_limits(machine: Machine) -> None:
    """A node accepts at least sixty pods, and its pods are in the node's control group."""
    kubelet = yaml.safe_load((machine.root / "kubelet.yaml").read_text())
    assert kubelet["maxPods"] >= 60
    assert kubelet["cgroupRoot"] == "/freehold-a"


def test_manifests_use_local_images() -> None:
    """System pods use images that are built locally and are never pulled."""
    for document in manifests():
        for container in document.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []):
            name = container["image"].removeprefix("localhost/freehold/").partition(":")[0]
            assert name in cluster.SYSTEM_IMAGES
            assert container["imagePullPolicy"] == "IfNotPresent"


def test_up_waits_for_deployments_in_manifests() -> None:
    """The Deployments that `up` waits for are in the manifests, and all are in system namespaces."""
    deployments = {
        (document["metadata"].get("namespace"), document["metadata"]["name"])
        for document in manifests()
        if document["kind"] == "Deployment"
    }
    assert set(cluster.NEEDED) <= deployments
    assert {namespace for namespace, _ in deployments} <= set(cluster.SYSTEM_NAMESPACES)


def test_dns_service_address() -> None:
    """The DNS Service has the address that is written to the pods' resolv.conf."""
    (service,) = (document for document in manifests() if document["metadata"]["name"] == "kube-dns")
    assert service["spec"]["clusterIP"] == network.DNS_ADDRESS


def test_storage_class_default() -> None:
    """The only StorageClass is the default, binds when a pod is scheduled, and deletes released volumes."""
    (storage,) = (document for document in manifests() if document["kind"] == "StorageClass")
    assert storage["metadata"]["name"] == "standard"
    assert storage["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true"
    assert storage["volumeBindingMode"] == "WaitForFirstConsumer"
    assert storage["reclaimPolicy"] == "Delete"


def test_api_server_logs_requests_on_demand(tmp_path: Path) -> None:
    """The API server has audit flags only if an audit log is configured."""
    plain = controlplane.ControlPlane(tmp_path, tmp_path / "pki", "198.51.100.2", 6443, 2379, 2380)
    audited = controlplane.ControlPlane(tmp_path, tmp_path / "pki", "198.51.100.2", 6443, 2379, 2380, tmp_path / "log")
    assert not any("audit" in word for word in controlplane.apiserver(plain))
    assert f"--audit-log-path={tmp_path / 'log'}" in controlplane.apiserver(audited)
    assert yaml.safe_load((tmp_path / "audit-policy.yaml").read_text())["kind"] == "Policy"


def test_cluster_paths_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each cluster name has its own folder and lock."""
    monkeypatch.setenv("FREEHOLD_CACHE", str(tmp_path))
    assert paths.ClusterPaths().root == tmp_path / "cluster"
    assert paths.ClusterPaths("second").root == tmp_path / "cluster-second"
    assert paths.ClusterPaths().lock != paths.ClusterPaths("second").lock


def test_settings_concurrent_first_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Clusters that start at the same time choose different addresses."""
    monkeypatch.setenv("FREEHOLD_CACHE", str(tmp_path))
    monkeypatch.setattr(network, "namespaces", set)

    def routes(_: object) -> str:
        time.sleep(0.01)
        return "[]"

    monkeypatch.setattr(network, "run", routes)
    with ThreadPoolExecutor() as pool:
        chosen = list(pool.map(cluster.settings, map(paths.ClusterPaths, ("freehold", "second", "third"))))
    assert {settings.host_block for settings in chosen} == {f"198.51.100.{start}/30" for start in (0, 4, 8)}
    assert cluster.settings(paths.ClusterPaths("second"), audit=True) == cluster.Settings(chosen[1].host_block, True)
    assert cluster.settings(paths.ClusterPaths("second")).audit


@pytest.mark.parametrize("name", ["", "Second", "1st", "a/b", "fourteen-chars", "ends-"])
def test_cluster_name_invalid(name: str) -> None:
    """A name that is no valid interface name is refused with a message."""
    with pytest.raises(LocalClusterError, match="not a valid cluster name"):
        paths.ClusterPaths(name)


def test_cache_follows_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The cache folder is in $XDG_CACHE_HOME unless $FREEHOLD_CACHE is set."""
    monkeypatch.delenv("FREEHOLD_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert paths.cache() == tmp_path / "freehold"


def test_lock_taken_is_reported(tmp_path: Path) -> None:
    """A command that finds the lock taken raises an error with the holder."""
    lock = tmp_path / "lock"
    with locked(lock, "another `up`"), pytest.raises(LocalClusterError, match="another `up` is running"):  # noqa: SIM117
        with locked(lock, "another `up`", wait=False):
            pytest.fail("two at once")


def test_policies_off_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`netpol off` is refused without a cluster, persists, and is reported until `netpol on`."""
    monkeypatch.setenv("FREEHOLD_CACHE", str(tmp_path))
    where = paths.ClusterPaths()
    with pytest.raises(LocalClusterError, match="is not running"):
        cluster.enforce_policies(where, on=False)
    where.root.mkdir()
    (where.root / "settings.json").write_text(json.dumps({"host_block": "198.51.100.0/30", "audit": False}))
    cluster.enforce_policies(where, on=False)
    assert "NOT enforced" in cluster.policies(where)
    cluster.enforce_policies(where, on=False)
    cluster.enforce_policies(where, on=True)
    assert cluster.policies(where) == "network policies enforced"
    cluster.enforce_policies(where, on=True)
