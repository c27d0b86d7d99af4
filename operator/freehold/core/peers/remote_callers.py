"""Callers in another cluster, by the addresses of their pods."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from freehold.core.model import remote
from freehold.core.model.case import Case
from freehold.core.model.resources import Key, Object, Observed, Ref
from freehold.core.objects import names, pods
from freehold.core.peers import counterpart


def blocks(addresses: Iterable[str]) -> list[Object]:
    """Each address as the peer of a network policy."""
    return [{"ipBlock": {"cidr": f"{address}/{128 if ':' in address else 32}"}} for address in addresses]


def left_behind(case: Case) -> Mapping[Key, tuple[str, ...]]:
    """Those in the other cluster who call it by the name it had there, with the addresses of their pods."""
    other = counterpart.far_side(case)
    if other is None or case.observed.forwards.get(other) != case.key:
        return {}
    told = case.observed.partner.get(Ref("ConfigMap", names.callers(case.name)), {}).get("data", {})
    whose = remote.cluster(other.namespace)
    found: dict[Key, tuple[str, ...]] = {}
    for named, addresses in sorted(told.items()):
        namespace, _, name = named.partition(".")
        found[Key(remote.foreign(namespace, whose), name)] = tuple(addresses.split())
    return found


def there(observed: Observed, component: str) -> list[str]:
    """The addresses of the other side's pods of a component, those that are ending among them."""
    return [pod["status"]["podIP"] for pod in remote_pods(observed, component)]


def remote_pods(observed: Observed, component: str) -> list[Object]:
    """The other side's pods of a component that have an address."""
    found = (live for ref, live in sorted(observed.partner.items()) if ref.kind == "Pod")
    return [pod for pod in found if pods.component_of(pod) == component and pods.has_address(pod)]
