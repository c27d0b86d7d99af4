"""DNS in network policies: the rule that opens the servers, and where a cluster's Service says that they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import NamedTuple

from freehold.core.model.dns import PORT, Dns
from freehold.core.model.resources import Object
from freehold.core.objects import meta
from freehold.core.peers.remote_callers import ip_blocks

USUAL_NAME = "kube-dns"
"""The Service's name in most clusters (kubernetes.io/docs/concepts/services-networking/dns-pod-service)."""
MOST_ADDRESSES = 32


class Location(NamedTuple):
    """Where DNS is. fault: why policies may close DNS, empty if they do not. certain: whether the fault is proven."""

    dns: Dns
    fault: str = ""
    certain: bool = False


def rule(dns: Dns) -> Object:
    """Return the egress rule that opens DNS."""
    pods = {
        "namespaceSelector": {"matchLabels": {meta.NAMESPACE_NAME: dns.namespace}},
        "podSelector": {"matchLabels": dict(dns.pod_labels)},
    }
    numbers = sorted({PORT, *dns.ports})
    ports = [{"protocol": protocol, "port": number} for number in numbers for protocol in ("UDP", "TCP")]
    return {"to": [pods, *ip_blocks(dns.addresses)], "ports": ports}


def service_of(services: Iterable[Object], nameservers: Sequence[str]) -> Object | None:
    """Return the Service at a nameserver's address; behind a cache on the node, the Service with the usual name."""
    listed = list(services)
    found = (one for one in listed if set(nameservers) & set(_cluster_addresses(one)))
    usual = (one for one in listed if one["metadata"]["name"] == USUAL_NAME and all(map(_is_on_node, nameservers)))
    return next(found, None) or next(usual, None)


def locate(
    given: Dns,
    nameservers: Sequence[str],
    service: Object | None,
    slices: Iterable[Object],
    *,
    labels_given: bool,
    known_ports: tuple[int, ...] = (),
) -> Location:
    """Return where DNS is, from the Service and its EndpointSlices.

    given: by the chart's values, with defaults. nameservers: of resolv.conf. labels_given: whether the values name the
    labels of the servers' pods, which are not replaced then. known_ports: those found before, which count while the
    Service has no endpoints.
    """
    addresses = tuple(dict.fromkeys((*given.addresses, *nameservers)))
    if service is None:
        return Location(replace(given, addresses=addresses), _unknown(given, nameservers))
    selector = service["spec"].get("selector") or {}
    listed = list(slices)
    ports = tuple(sorted({*given.ports, *(_ports(service, listed) or known_ports)} - {PORT}))
    found = replace(given, ports=ports, addresses=addresses)
    if not selector:
        endpoints = sorted(
            str(address) for one in listed for each in one.get("endpoints") or [] for address in each["addresses"]
        )
        return Location(replace(found, addresses=tuple(dict.fromkeys((*addresses, *endpoints[:MOST_ADDRESSES])))))
    led_to = replace(found, pod_labels=dict(selector))
    if labels_given and not given.pod_labels.items() <= selector.items():
        cause = f"they open {given}, and Service {service['metadata']['name']} leads to {led_to}"
        fault = f"network policies close DNS to pods; {cause}; correct dns.podLabels of the chart"
        return Location(found, fault, certain=True)
    return Location(found if labels_given else led_to)


def _unknown(given: Dns, nameservers: Sequence[str]) -> str:
    """Return the fault that a nameserver is neither a Service of the namespace nor a cache; empty if there is none."""
    unknown = [one for one in nameservers if not _is_on_node(one) and one not in given.addresses]
    if not unknown:
        return ""
    cause = f"no Service in namespace {given.namespace} has the nameserver's address {unknown[0]}"
    action = "set dns.namespace of the chart, or dns.addresses for a resolver that is no pod"
    return f"network policies may close DNS to pods; {cause}; {action}"


def _cluster_addresses(service: Object) -> list[str]:
    spec = service["spec"]
    return [str(address) for address in spec.get("clusterIPs") or [spec.get("clusterIP", "")]]


def _ports(service: Object, slices: Iterable[Object]) -> set[int]:
    """Return the numbers of the pods' ports behind port 53 of the Service."""
    behind = [port for port in service["spec"].get("ports") or [] if port["port"] == PORT]
    names = {port.get("name", "") for port in behind}
    numbers = {port["targetPort"] for port in behind if isinstance(port.get("targetPort"), int)}
    listed = (port for one in slices for port in one.get("ports") or [] if port.get("name", "") in names)
    return numbers | {int(port["port"]) for port in listed if port.get("port")}


def _is_on_node(address: str) -> bool:
    """Return whether an address is link-local, which leads to the pod's own node."""
    return ip_address(address).is_link_local
