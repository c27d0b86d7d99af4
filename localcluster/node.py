"""A node: containerd, kube-proxy, the network policy agent and the kubelet, with their configuration.

Paths in configuration files are paths inside the machine; see machine.py. The kubelet starts only after the agent has
reported that the network policies are in force, so that no pod runs without them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from . import paths
from .certificates import Identity, write_kubeconfig
from .machine import Machine, ServiceSpec
from .network import DNS_ADDRESS, NodeNetwork

CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
PAUSE_IMAGE = "localhost/freehold/pause:1"
CNI_PLUGINS = "/usr/lib/cni"
PROXY_USER = "system:kube-proxy"
POLICY_AGENT_USER = "freehold:network-policy-agent"
PROJECT = Path(__file__).resolve().parent.parent
MAX_PODS = 110
# containerd's CNI library (libcni) writes allocated pod addresses to this folder before the API server knows them.
SANDBOXES = "/var/lib/cni/results"

# No registry is reachable: a missing image fails at once, and image garbage collection is disabled.
CONTAINERD = f"""\
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  # Lowering the OOM score below the parent's needs a capability that root may lack.
  restrict_oom_score_adj = true
  disable_hugetlb_controller = true
  tolerate_missing_hugetlb_controller = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI_PLUGINS}"
    conf_dir = "CNI_FOLDER"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
"""


def identities(node: NodeNetwork) -> list[Identity]:
    """Return the identities of the node's programs; each has its own user and that user's rights only."""
    return [
        Identity(f"{node.name}-kubelet", f"system:node:{node.name}", ("system:nodes",)),
        Identity(f"{node.name}-serving", f"system:node:{node.name}", hosts=(node.name, node.address)),
        Identity(f"{node.name}-kube-proxy", PROXY_USER),
        Identity(f"{node.name}-network-policy", POLICY_AGENT_USER),
    ]


def configure(
    node: NodeNetwork, root: Path, pki: Path, api_url: str, policies_off: Path, other_nodes: Sequence[Path] = ()
) -> Machine:
    """Write the node's configuration and return its machine; `other_nodes` are the root folders of the other nodes."""
    for program in ("kubelet", "kube-proxy", "network-policy"):
        write_kubeconfig(root / f"{program}.kubeconfig", pki, f"{node.name}-{program}", api_url, "node")
    cni = root / "cni"
    _write(root / "containerd.toml", CONTAINERD.replace("CNI_FOLDER", str(cni)))
    _write(cni / "10-ptp.conflist", json.dumps(_pod_network(node), indent=1))
    _write(root / "resolv.conf", "# Pods ask the cluster's own server; there is no other.\n")
    _write(root / "kubelet.yaml", yaml.safe_dump(_kubelet(node, root, pki)))
    _write(root / "kube-proxy.yaml", yaml.safe_dump(_kube_proxy(node, root)))
    return Machine(node.name, root, _services(node, root, policies_off, other_nodes))


def _services(
    node: NodeNetwork, root: Path, policies_off: Path, other_nodes: Sequence[Path]
) -> tuple[ServiceSpec, ...]:
    binaries, logs = paths.tools_bin(), root / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    ready = "/run/network-policy.ready"
    agent = [
        *(sys.executable, "-m", "localcluster.netpol", "--node", node.name, "--pod-cidr", str(node.pods)),
        # Pods of other clusters are outside this range: to the agent they are plain addresses, for `ipBlock` only.
        *("--cluster-cidr", str(node.cluster_pods)),
        *("--kubeconfig", str(root / "network-policy.kubeconfig"), "--ready-file", ready),
        *("--off-file", str(policies_off)),
        *("--sandboxes", SANDBOXES),
        # The agent also reads the results of the other nodes, and so recognizes the first packet of their new pods.
        *(word for other in other_nodes for word in ("--sandboxes", f"{other}/var-lib/cni/results")),
    ]
    kubelet = [
        str(binaries / "kubelet"),
        f"--config={root / 'kubelet.yaml'}",
        f"--kubeconfig={root / 'kubelet.kubeconfig'}",
        f"--hostname-override={node.name}",
        f"--node-ip={node.address}",
        f"--node-labels=topology.kubernetes.io/zone={node.zone},topology.kubernetes.io/region=local",
    ]

    def service(name: str, argv: list[str], **more: Any) -> ServiceSpec:
        return ServiceSpec(name, argv, str(logs / f"{name}.log"), **more)

    return (
        service(
            "containerd",
            ["containerd", f"--config={root / 'containerd.toml'}"],
            ready_socket=CONTAINERD_SOCKET,
        ),
        service("kube-proxy", [str(binaries / "kube-proxy"), f"--config={root / 'kube-proxy.yaml'}"]),
        service("network-policy", agent, env={"PYTHONPATH": str(PROJECT)}, ready_file=ready),
        service("kubelet", kubelet),
    )


def _pod_network(node: NodeNetwork) -> dict[str, Any]:
    """Return the CNI configuration: point-to-point links, so that the node's forward chain sees every pod packet."""
    ranges = [[{"subnet": str(node.pods)}]]
    ipam = {
        "type": "host-local",
        "ranges": ranges,
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": "/run/cni-addresses",
    }
    return {
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [{"type": "ptp", "ipMasq": False, "ipam": ipam}],
    }


def _kubelet(node: NodeNetwork, root: Path, pki: Path) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node.address,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki / f"{node.name}-serving.crt"),
        "tlsPrivateKeyFile": str(pki / f"{node.name}-serving.key"),
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{node.name}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "makeIPTablesUtilChains": False,
        "clusterDNS": [DNS_ADDRESS],
        "clusterDomain": "cluster.local",
        "resolvConf": str(root / "resolv.conf"),
        "maxPods": MAX_PODS,
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        # Failed pods are retried within seconds: developers and tests wait for them.
        "syncFrequency": "10s",
        "fileCheckFrequency": "0s",
    }


def _kube_proxy(node: NodeNetwork, root: Path) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": str(root / "kube-proxy.kubeconfig")},
        "hostnameOverride": node.name,
        "clusterCIDR": str(node.cluster_pods),
        "bindAddress": node.address,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        # Leave the machine's own limits unchanged.
        "conntrack": {"maxPerCore": 0, "min": 0},
    }


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
