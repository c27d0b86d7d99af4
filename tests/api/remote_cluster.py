"""Actions in place of another cluster's controllers and administrators."""

from __future__ import annotations

import base64

import yaml
from freehold.core.model.resources import Object
from freehold.kube.cluster_registry import CONFIG_MAP, KEY

from tests.api.cluster import APPLY, KINDS, Cluster

RBAC = "rbac.authorization.k8s.io"


def pod(cluster: Cluster, namespace: str, kind: str, of: str, address: str) -> None:
    """Create a running pod, as the kubelet reports it, once its workload exists."""
    owner, name = cluster.get(kind, namespace, of), f"{of}-0"
    if owner is None or not owner["spec"]["replicas"] or cluster.get("Pod", namespace, name):
        return
    template = owner["spec"]["template"]
    start(cluster, namespace, name, template["metadata"]["labels"], template["spec"], address)


def start(cluster: Cluster, namespace: str, name: str, labels: dict[str, str], spec: Object, address: str) -> None:
    """Create a pod that is running and ready."""
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    cluster.create({"kind": "Pod", "metadata": metadata, "spec": spec})
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z"}
    status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": [ready]}
    cluster.patch("Pod", namespace, name, {"status": status}, "status")


def introduce(cluster: Cluster, home: str, name: str, other: Cluster | str) -> None:
    """Create the Secret with a kubeconfig for the other cluster, as the namespace's administrator does.

    other: the cluster, or the text of a kubeconfig.
    """
    text = other if isinstance(other, str) else kubeconfig(other, home)
    data = {"value": base64.b64encode(text.encode()).decode()}
    cluster.create({"kind": "Secret", "metadata": {"name": name, "namespace": home}, "data": data})


def register(cluster: Cluster, pod_cidrs: str = "10.0.0.0/8", **others: Cluster | str) -> None:
    """Register other clusters, by name, as the platform team does. Each is a cluster, or the URL of a server."""
    entries = {}
    for name, other in others.items():
        known = other if isinstance(other, Cluster) else cluster
        url = other.url if isinstance(other, Cluster) else other
        entries[name] = {"server": url, "certificateAuthority": authority(known), "podCIDRs": [pod_cidrs]}
    metadata = {"name": CONFIG_MAP, "namespace": "freehold-system"}
    data = {KEY: yaml.safe_dump({"clusters": entries, "localCIDRs": ["192.168.0.0/16"]})}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    path = KINDS["ConfigMap"].path("freehold-system", CONFIG_MAP)
    cluster.request("PATCH", path, body, APPLY, fieldManager="tests", force="true")


def authority(cluster: Cluster) -> str:
    """Return the certificate authority of an API server."""
    whole = yaml.safe_load(cluster.kubeconfig.read_text())
    return base64.b64decode(whole["clusters"][0]["cluster"]["certificate-authority-data"]).decode()


def kubeconfig(cluster: Cluster, home: str) -> str:
    """Return a kubeconfig with a token that has every right in a namespace of the cluster."""
    metadata = {"name": "reader", "namespace": home}
    accounts = f"/api/v1/namespaces/{home}/serviceaccounts"
    cluster.request("POST", accounts, {"metadata": metadata})
    binding = {
        "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", **metadata}],
    }
    cluster.request("POST", f"/apis/{RBAC}/v1/namespaces/{home}/rolebindings", binding)
    issued = cluster.request("POST", f"{accounts}/reader/token", {"spec": {"expirationSeconds": 3600}})
    return yaml.safe_dump(
        {
            "current-context": "x",
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
            "clusters": [{"name": "x", "cluster": {"server": cluster.url}}],
            "users": [{"name": "x", "user": {"token": issued["status"]["token"]}}],
        }
    )
