"""Callers in another cluster, by the addresses of their pods."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from freehold.core.model import remote
from freehold.core.model.case import Case
from freehold.core.model.resources import Key, Object, Observed, Ref
from freehold.core.objects import names, pods
from freehold.core.peers import counterpart


def ip_blocks(addresses: Iterable[str]) -> list[Object]:
    """Each address as the peer of a network policy."""
    return [{"ipBlock": {"cidr": f"{address}/{128 if ':' in address else 32}"}} for address in addresses]


def remote_consumers(case: Case) -> Mapping[Key, tuple[str, ...]]:
    """Those in the other cluster who call it by the name it had there, with the addresses of their pods."""
    other = counterpart.in_remote_cluster(case)
    if other is None or case.observed.aliases.get(other) != case.key:
        return {}
    told = case.observed.counterpart.get(Ref("ConfigMap", names.callers(case.name)), {}).get("data", {})
    whose = remote.cluster(other.namespace)
    found: dict[Key, tuple[str, ...]] = {}
    for named, addresses in sorted(told.items()):
        namespace, _, name = named.partition(".")
        found[Key(remote.namespace_in(namespace, whose), name)] = tuple(addresses.split())
    return found


def counterpart_addresses(observed: Observed, component: str) -> list[str]:
    """The addresses of the other side's pods of a component, those that are ending among them."""
    return [pod["status"]["podIP"] for pod in counterpart_pods(observed, component)]


def counterpart_pods(observed: Observed, component: str) -> list[Object]:
    """The other side's pods of a component that have an address."""
    found = (live for ref, live in sorted(observed.counterpart.items()) if ref.kind == "Pod")
    return [pod for pod in found if pods.component_of(pod) == component and pods.has_address(pod)]
