"""The configuration of the cluster holds together: what one part is told, another part does."""

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


def test_the_kubelet_is_started_after_the_policy_agent_is_ready(machine: Machine) -> None:
    order = [service.name for service in machine.services]
    agent = machine.services[order.index("network-policy")]
    assert agent.ready_file
    assert order.index("network-policy") < order.index("kubelet")
    assert agent.argv[agent.argv.index("--ready-file") + 1] == agent.ready_file


def test_the_agent_learns_addresses_on_every_node(machine: Machine, tmp_path: Path) -> None:
    agent = next(service for service in machine.services if service.name == "network-policy")
    folders = [agent.argv[index + 1] for index, word in enumerate(agent.argv) if word == "--sandboxes"]
    assert folders == ["/var/lib/cni/results", f"{tmp_path}/b/var-lib/cni/results"]


def test_pods_of_another_cluster_are_no_strangers_among_the_own(tmp_path: Path) -> None:
    second = network.plan("second", ("a", "b"), ipaddress.IPv4Network("198.51.100.4/30"))
    certificates.ensure(tmp_path / "pki", node.identities(second.nodes[1]))
    machine = node.configure(second.nodes[1], tmp_path / "b", tmp_path / "pki", "https://there", tmp_path / "off")
    agent = next(service for service in machine.services if service.name == "network-policy")
    assert agent.argv[agent.argv.index("--pod-cidr") + 1] == "10.244.5.0/24"
    assert agent.argv[agent.argv.index("--cluster-cidr") + 1] == "10.244.4.0/22"
    assert yaml.safe_load((machine.root / "kube-proxy.yaml").read_text())["clusterCIDR"] == "10.244.4.0/22"


def test_all_nodes_look_at_the_switch_that_the_command_turns(machine: Machine, tmp_path: Path) -> None:
    agent = next(service for service in machine.services if service.name == "network-policy")
    assert agent.argv[agent.argv.index("--off-file") + 1] == str(tmp_path / "off")


def test_every_packet_between_pods_is_routed(machine: Machine) -> None:
    (plugin,) = json.loads((machine.root / "cni" / "10-ptp.conflist").read_text())["plugins"]
    assert plugin["type"] == "ptp"
    assert plugin["ipam"]["ranges"] == [[{"subnet": "10.244.0.0/24"}]]


def test_sixty_pods_fit_on_a_node(machine: Machine) -> None:
    kubelet = yaml.safe_load((machine.root / "kubelet.yaml").read_text())
    assert kubelet["maxPods"] >= 60
    assert kubelet["cgroupRoot"] == "/freehold-a"


def test_system_pods_use_images_that_are_built_here() -> None:
    for document in manifests():
        for container in document.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []):
            name = container["image"].removeprefix("localhost/freehold/").partition(":")[0]
            assert name in cluster.SYSTEM_IMAGES
            assert container["imagePullPolicy"] == "IfNotPresent"


def test_what_up_waits_for_is_in_the_manifests() -> None:
    there = {
        (one["metadata"].get("namespace"), one["metadata"]["name"])
        for one in manifests()
        if one["kind"] == "Deployment"
    }
    assert set(cluster.NEEDED) <= there
    assert {namespace for namespace, _ in there} <= set(cluster.SYSTEM_NAMESPACES)


def test_the_name_server_is_where_pods_look_for_it() -> None:
    (service,) = (one for one in manifests() if one["metadata"]["name"] == "kube-dns")
    assert service["spec"]["clusterIP"] == network.DNS_ADDRESS


def test_one_storage_class_is_the_default_and_waits_for_the_pod() -> None:
    (storage,) = (one for one in manifests() if one["kind"] == "StorageClass")
    assert storage["metadata"]["name"] == "standard"
    assert storage["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true"
    assert storage["volumeBindingMode"] == "WaitForFirstConsumer"
    assert storage["reclaimPolicy"] == "Delete"


def test_changes_are_logged_only_when_asked_for(tmp_path: Path) -> None:
    plain = controlplane.ControlPlane(tmp_path, tmp_path / "pki", "198.51.100.2", 6443, 2379, 2380)
    audited = controlplane.ControlPlane(tmp_path, tmp_path / "pki", "198.51.100.2", 6443, 2379, 2380, tmp_path / "log")
    assert not any("audit" in word for word in controlplane.apiserver(plain))
    assert f"--audit-log-path={tmp_path / 'log'}" in controlplane.apiserver(audited)
    assert yaml.safe_load((tmp_path / "audit-policy.yaml").read_text())["kind"] == "Policy"


def test_a_cluster_of_another_name_has_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FREEHOLD_CACHE", str(tmp_path))
    assert paths.ClusterPaths().root == tmp_path / "cluster"
    assert paths.ClusterPaths("second").root == tmp_path / "cluster-second"
    assert paths.ClusterPaths().lock != paths.ClusterPaths("second").lock


def test_clusters_that_come_up_at_once_choose_other_addresses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FREEHOLD_CACHE", str(tmp_path))
    monkeypatch.setattr(network, "namespaces", set)

    def routes(_: object) -> str:
        time.sleep(0.01)
        return "[]"

    monkeypatch.setattr(network, "run", routes)
    with ThreadPoolExecutor() as pool:
        chosen = list(pool.map(cluster.settings, map(paths.ClusterPaths, ("freehold", "second", "third"))))
    assert {one.host_block for one in chosen} == {f"198.51.100.{start}/30" for start in (0, 4, 8)}
    assert cluster.settings(paths.ClusterPaths("second"), audit=True) == cluster.Settings(chosen[1].host_block, True)
    assert cluster.settings(paths.ClusterPaths("second")).audit


@pytest.mark.parametrize("name", ["", "Second", "1st", "a/b", "fourteen-chars", "ends-"])
def test_a_name_that_the_kernel_would_refuse_is_refused_in_words(name: str) -> None:
    with pytest.raises(LocalClusterError, match="cannot name a cluster"):
        paths.ClusterPaths(name)


def test_the_cache_follows_the_users_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FREEHOLD_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert paths.cache() == tmp_path / "freehold"


def test_a_second_up_is_told_that_the_first_is_at_work(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with locked(lock, "another `up`"), pytest.raises(LocalClusterError, match="another `up` is at work"):  # noqa: SIM117
        with locked(lock, "another `up`", wait=False):
            pytest.fail("two at once")


def test_walls_that_are_off_stay_off_and_are_spoken_of_until_they_are_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FREEHOLD_CACHE", str(tmp_path))
    where = paths.ClusterPaths()
    with pytest.raises(LocalClusterError, match="is not up"):
        cluster.enforce_policies(where, on=False)
    where.root.mkdir()
    (where.root / "settings.json").write_text(json.dumps({"host_block": "198.51.100.0/30", "audit": False}))
    cluster.enforce_policies(where, on=False)
    assert "NOT enforced" in cluster.policies(where)
    cluster.enforce_policies(where, on=False)
    cluster.enforce_policies(where, on=True)
    assert cluster.policies(where) == "network policies enforced"
    cluster.enforce_policies(where, on=True)
