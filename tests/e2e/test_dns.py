"""DNS that stands elsewhere: network policies follow, and no service loses its names for longer than a minute."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from hack.stage import SYSTEM_NAMESPACE
from tests.e2e.support.cluster import Cluster, Object, Space
from tests.e2e.support.pod_exec import python
from tests.e2e.support.waits import waiting

pytestmark = pytest.mark.alone

SYSTEM = ("-n", "kube-system")
MOVED = {"k8s-app": "node-dns"}
SOON = 60
"""Seconds within which names must resolve again."""
RESOLVE = "import socket; print(socket.getaddrinfo('payments', 50051)[0][4][0])"


@pytest.fixture
def moved(cluster: Cluster, shop: Space) -> Iterator[None]:
    """DNS in pods with another label. Afterwards the Service leads to the usual pods again."""
    (first, *_) = json.loads(cluster.kubectl(*SYSTEM, "get", "pods", "-l", "k8s-app=kube-dns", "-o", "json"))["items"]
    pod = first["metadata"]["name"]
    try:
        cluster.kubectl(*SYSTEM, "label", "pod", pod, "k8s-app=node-dns", "--overwrite")
        _lead(cluster, MOVED)
        yield
    finally:
        _lead(cluster, {"k8s-app": "kube-dns"})
        cluster.kubectl(*SYSTEM, "delete", "pod", pod, "--wait=false")
        cluster.kubectl(*SYSTEM, "rollout", "status", "deployment/coredns", "--timeout=120s")
        shop.until("networkpolicy/users", lambda live: _opened(live) == {"k8s-app": "kube-dns"}, within=SOON)


@pytest.mark.usefixtures("moved")
def test_dns_followed(cluster: Cluster, shop: Space) -> None:
    """Policies open the pods to which the Service of DNS leads, and names resolve, for services and the operator."""
    shop.until("networkpolicy/users", lambda live: _opened(live) == MOVED, within=SOON)

    _until_resolved(shop)
    shop.until_ready("users", "payments", within=SOON)
    leader = cluster.leader()["metadata"]["name"]
    program = "import socket; socket.getaddrinfo('kubernetes.default.svc.cluster.local.', 443)"
    cluster.kubectl("-n", SYSTEM_NAMESPACE, "exec", leader, "--", "python3", "-c", program)


def test_listeners_on_both_families(cluster: Cluster) -> None:
    """The operator's ports are in the kernel's table of IPv6, by sockets that take IPv4 as well."""
    leader = cluster.leader()["metadata"]["name"]
    table = cluster.kubectl("-n", SYSTEM_NAMESPACE, "exec", leader, "--", "cat", "/proc/net/tcp6")
    listening = {line.split()[1] for line in table.splitlines() if " 0A " in line}
    assert {f"{'0' * 32}:{port:04X}" for port in (8080, 8081)} <= listening


def _lead(cluster: Cluster, labels: dict[str, str]) -> None:
    """Let the Service of DNS lead to pods with these labels."""
    patch = json.dumps({"spec": {"selector": labels}})
    cluster.kubectl(*SYSTEM, "patch", "service", "kube-dns", "--type=merge", "-p", patch)


def _opened(policy: Object) -> dict[str, str]:
    """Return the labels of the DNS pods that a policy opens."""
    labels: dict[str, str] = policy["spec"]["egress"][0]["to"][0]["podSelector"]["matchLabels"]
    return labels


def _until_resolved(shop: Space) -> None:
    """Wait until names resolve in a pod of users."""
    deadline = time.monotonic() + SOON
    with waiting():
        while not _resolves(shop):
            assert time.monotonic() < deadline, "a pod of users resolves no names"
            time.sleep(1)


def _resolves(shop: Space) -> bool:
    try:
        return bool(python(shop, "deployment/users", RESOLVE))
    except AssertionError:
        return False
