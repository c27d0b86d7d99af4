"""Where DNS is, and the rule of network policies that opens the servers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from freehold.core import isolation
from freehold.core.isolation import dns
from freehold.core.model.case import Case
from freehold.core.model.conditions import Reason, State
from freehold.core.model.dns import Dns
from freehold.core.model.resources import Object

from tests.golden.cases import observed

CLUSTER, ON_NODE, OTHER = "10.96.0.10", "169.254.25.10", "172.30.0.10"


def service(name: str = "kube-dns", *addresses: str, **spec: Any) -> Object:
    ports = [
        {"name": "dns", "port": 53, "targetPort": 53, "protocol": "UDP"},
        {"name": "dns-tcp", "port": 53, "targetPort": "dns-tcp", "protocol": "TCP"},
        {"name": "metrics", "port": 9153, "targetPort": 9153, "protocol": "TCP"},
    ]
    chosen = addresses or (CLUSTER,)
    whole = {"clusterIP": chosen[0], "clusterIPs": [*chosen], "selector": {"k8s-app": "kube-dns"}, "ports": ports}
    return {"metadata": {"name": name}, "spec": {**whole, **spec}}


def endpoints(port: int = 53, *addresses: str) -> Object:
    ports = [{"name": "dns", "port": port}, {"name": "dns-tcp", "port": port}, {"name": "metrics", "port": 9153}]
    return {"ports": ports, "endpoints": [{"addresses": [address]} for address in addresses]}


def test_rule_opens_pods_and_addresses() -> None:
    """The rule has the pods' labels, addresses of both families, and port 53 beside others."""
    where = Dns("openshift-dns", {"dns": "default"}, (5353,), (ON_NODE, "fd00::a"))
    assert dns.rule(where) == {
        "to": [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "openshift-dns"}},
                "podSelector": {"matchLabels": {"dns": "default"}},
            },
            {"ipBlock": {"cidr": f"{ON_NODE}/32"}},
            {"ipBlock": {"cidr": "fd00::a/128"}},
        ],
        "ports": [{"protocol": protocol, "port": port} for port in (53, 5353) for protocol in ("UDP", "TCP")],
    }


@pytest.mark.parametrize(
    ("nameservers", "names", "found"),
    [
        ((CLUSTER,), ["other", "kube-dns"], "kube-dns"),
        (("fd00::a",), ["other", "six"], "six"),
        ((ON_NODE,), ["other", "kube-dns"], "kube-dns"),
        ((ON_NODE,), ["other"], None),
        ((OTHER,), ["other", "kube-dns"], None),
    ],
)
def test_service_of_nameserver(nameservers: tuple[str, ...], names: list[str], found: str | None) -> None:
    """The Service has the nameserver's address, of either family; behind a cache on the node, the usual name."""
    addresses = {"other": ["10.96.0.1"], "kube-dns": [CLUSTER], "six": ["10.96.0.11", "fd00::a"]}
    service_found = dns.service_of([service(name, *addresses[name]) for name in names], nameservers)
    assert (service_found["metadata"]["name"] if service_found else None) == found


def located(
    body: Object | None, *nameservers: str, given: Dns | None = None, fixed: bool = False, port: int = 53
) -> Any:
    return dns.locate(given or Dns(), nameservers or (CLUSTER,), body, [endpoints(port)], labels_given=fixed)


def test_labels_follow_service() -> None:
    """The Service's selector names the servers' pods, wherever it leads."""
    moved = located(service(selector={"k8s-app": "node-dns"}))
    assert moved == (
        replace(Dns(), pod_labels={"k8s-app": "node-dns"}, addresses=("169.254.20.10", CLUSTER)),
        "",
        False,
    )


def test_ports_follow_endpoints() -> None:
    """The pods' ports are those behind port 53 of the Service; other ports of the Service stay closed."""
    assert located(service(), port=5353).dns.ports == (5353,)
    assert located(service()).dns.ports == ()


def test_ports_kept_without_endpoints() -> None:
    """While no server is ready, a named port has no number; the policies stay as they are."""
    named = service(ports=[{"name": "dns", "port": 53, "targetPort": "dns"}])
    found = dns.locate(Dns(), [CLUSTER], named, [{"ports": None}], labels_given=False, known_ports=(5353,))
    assert found.dns.ports == (5353,)


def test_address_of_cache_is_opened() -> None:
    """The nameserver's own address is opened: a cache on the node may have it, or take the Service's."""
    assert located(None, ON_NODE) == (replace(Dns(), addresses=("169.254.20.10", ON_NODE)), "", False)


def test_service_without_selector() -> None:
    """Without a selector, the addresses of the endpoints are opened."""
    slices = [endpoints(53, "192.0.2.7", "192.0.2.8")]
    found = dns.locate(Dns(), [CLUSTER], service(selector=None), slices, labels_given=False)
    assert found.dns.addresses == ("169.254.20.10", CLUSTER, "192.0.2.7", "192.0.2.8")


def test_labels_given_that_lead_nowhere() -> None:
    """Labels of the chart are kept; a Service that leads elsewhere proves that policies close DNS."""
    found = located(service(selector={"k8s-app": "node-dns"}), fixed=True)
    assert found.certain and found.dns.pod_labels == {"k8s-app": "kube-dns"}
    assert found.fault == (
        "network policies close DNS to pods; they open pods with k8s-app=kube-dns in namespace kube-system, and "
        "Service kube-dns leads to pods with k8s-app=node-dns in namespace kube-system; "
        "correct dns.podLabels of the chart"
    )
    assert not located(service(selector={"k8s-app": "kube-dns", "tier": "dns"}), fixed=True).fault


def test_unknown_nameserver() -> None:
    """A nameserver that no Service has may be closed; one that the chart names, or on the node, is open."""
    found = located(None, OTHER)
    assert not found.certain
    assert found.fault == (
        f"network policies may close DNS to pods; no Service in namespace kube-system has the nameserver's address "
        f"{OTHER}; set dns.namespace of the chart, or dns.addresses for a resolver that is no pod"
    )
    assert not located(None, OTHER, given=Dns(addresses=(OTHER,))).fault
    assert not located(None, ON_NODE).fault


def test_condition_names_closed_dns() -> None:
    """A closed DNS is the condition, rather than what the service says without it."""
    subject, seen = observed("serving")
    condition = isolation.plan(Case(subject, replace(seen, dns_closed="network policies close DNS"))).condition
    assert condition and (condition.state, condition.reason) == (State.FALSE, Reason.DNS_CLOSED)
    assert condition.message == "network policies close DNS"


@pytest.mark.parametrize("name", ["serving", "move-begun"])
def test_policies_open_dns_where_it_is(name: str) -> None:
    """Each policy with egress opens DNS where the platform says."""
    subject, seen = observed(name)
    where = Dns("openshift-dns", {"dns": "default"}, (5353,), (ON_NODE,))
    case = Case(subject, replace(seen, platform=replace(seen.platform, dns=where)))
    leaving = [body["spec"]["egress"] for body in isolation.plan(case).objects if body["spec"]["egress"]]
    assert leaving and all(rules[0] == dns.rule(where) for rules in leaving)
