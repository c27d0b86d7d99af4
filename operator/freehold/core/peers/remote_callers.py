"""Callers in another cluster, and the pods of a remote counterpart, by address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from freehold.core.model import remote
from freehold.core.model.case import Case
from freehold.core.model.resources import Key, Object, Observed, Ref
from freehold.core.objects import names, pods
from freehold.core.peers import counterpart
from freehold.core.peers.shares import MOST


def ip_blocks(addresses: Iterable[str]) -> list[Object]:
    """Return the peers of a network policy rule for pod addresses, IPv4 or IPv6."""
    return [{"ipBlock": {"cidr": f"{address}/{128 if ':' in address else 32}"}} for address in addresses]


def remote_consumers(case: Case) -> Mapping[Key, tuple[str, ...]]:
    """Return pod addresses of consumers in the counterpart's cluster that call the service by the former name.

    At most MOST consumers with MOST addresses in all, since the other cluster writes the list.
    """
    other = counterpart.in_remote_cluster(case)
    if other is None or case.observed.aliases.get(other) != case.key:
        return {}
    published = case.observed.counterpart.get(Ref("ConfigMap", names.callers(case.name)), {}).get("data", {})
    cluster = remote.cluster(other.namespace)
    consumers: dict[Key, tuple[str, ...]] = {}
    left = MOST
    for consumer, addresses in sorted(published.items())[:MOST]:
        namespace, _, name = consumer.partition(".")
        listed = consumers[Key(remote.namespace_in(namespace, cluster), name)] = tuple(addresses.split()[:left])
        left -= len(listed)
    return consumers


def counterpart_addresses(observed: Observed, component: str) -> list[str]:
    """Return the addresses of the counterpart's pods of a component, including terminating pods."""
    return [pod["status"]["podIP"] for pod in counterpart_pods(observed, component)]


def counterpart_pods(observed: Observed, component: str) -> list[Object]:
    """Return the counterpart's pods of a component that have an address."""
    remote_pods = (live for ref, live in sorted(observed.counterpart.items()) if ref.kind == "Pod")
    return [pod for pod in remote_pods if pods.component_of(pod) == component and pods.has_address(pod)]
