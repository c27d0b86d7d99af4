"""Where DNS is, as the API server's Services and EndpointSlices say."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from freehold.core.model.dns import Dns
from freehold.core.model.resources import Object
from freehold.kube.client import Api, connect_to
from freehold.monitors.dns import DnsMonitor, DnsSettings, DnsState

from tests.api.cluster import Cluster

HOME = "kube-system"
PORTS: list[Object] = [
    {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": "dns"},
    {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": "dns-tcp"},
    {"name": "metrics", "port": 9154, "protocol": "TCP", "targetPort": 9154},
]


@pytest.fixture
async def api(cluster: Cluster) -> AsyncIterator[Api]:
    api = Api((await connect_to(str(cluster.kubeconfig), None))[0])
    yield api
    await api.close()


@pytest.fixture
def service(cluster: Cluster) -> Iterator[Object]:
    """The Service of DNS, with an EndpointSlice that leads to port 5353."""
    spec = {"selector": {"dns": "default"}, "ports": PORTS}
    made = cluster.create({"kind": "Service", "metadata": {"name": "dns-default", "namespace": HOME}, "spec": spec})
    labels = {"kubernetes.io/service-name": "dns-default"}
    numbers = [{"name": port["name"], "port": 9154 if port["name"] == "metrics" else 5353} for port in PORTS]
    cluster.create(
        {
            "kind": "EndpointSlice",
            "apiVersion": "discovery.k8s.io/v1",
            "metadata": {"name": "dns-default-1", "namespace": HOME, "labels": labels},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.1.0.9"]}],
            "ports": [{**one, "protocol": port["protocol"]} for one, port in zip(numbers, PORTS, strict=True)],
        }
    )
    yield made
    cluster.delete("EndpointSlice", HOME, "dns-default-1")
    cluster.delete("Service", HOME, "dns-default")


async def test_dns_located(cluster: Cluster, api: Api, service: Object) -> None:
    """The Service at the nameserver's address names labels and ports, and is followed when it leads elsewhere."""
    address, changes = service["spec"]["clusterIP"], list[DnsState]()
    settings = DnsSettings(nameservers=(address,), name="kubernetes.default.svc.cluster.local.")
    monitor = DnsMonitor(api, settings, changes.append)
    await monitor.locate()
    usual = Dns().addresses
    assert monitor.state == DnsState(Dns(HOME, {"dns": "default"}, (5353,), (*usual, address)))
    cluster.patch("Service", HOME, "dns-default", {"spec": {"selector": {"dns": None, "k8s-app": "node-dns"}}})
    await monitor.locate()
    assert monitor.state.dns.pod_labels == {"k8s-app": "node-dns"} and len(changes) == 2


async def test_dns_unknown(api: Api) -> None:
    """A nameserver at which no Service is, is named."""
    monitor = DnsMonitor(api, DnsSettings(nameservers=("192.0.2.53",), name="kubernetes."), lambda _: None)
    await monitor.locate()
    assert "no Service in namespace kube-system has the nameserver's address 192.0.2.53" in monitor.state.warning
