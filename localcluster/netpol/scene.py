"""The holder of each pod address at one moment, and the addresses that policy peers select."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from .intervals import ALL_ADDRESSES, Ranges, merged
from .model import Labels, Peer, Pod, Policy, selects


@dataclass(frozen=True)
class Scene:
    """All pod addresses of the cluster with their pods, and all namespaces with their labels."""

    holders: Mapping[int, Pod]
    namespaces: Mapping[str, Labels]

    def addresses(self, peers: tuple[Peer, ...] | None, policy: Policy) -> Ranges:
        """Return the addresses that any of `peers` selects; None selects all addresses, also outside the cluster."""
        if peers is None:
            return ALL_ADDRESSES
        blocks = [block for peer in peers for block in peer.addresses or ()]
        pods = [(address, address) for peer in peers for address in self._selected(peer, policy)]
        return merged(blocks + pods)

    def _selected(self, peer: Peer, policy: Policy) -> Iterator[int]:
        if peer.addresses is not None:
            return
        for namespace in self._namespaces(peer, policy):
            for address, pod in self._members.get(namespace, ()):
                if selects(peer.pods or (), pod.labels):
                    yield address

    def _namespaces(self, peer: Peer, policy: Policy) -> list[str]:
        """Return the namespaces a peer selects. Unknown namespaces are excluded, because their labels are unknown."""
        if peer.namespaces is None:
            return [policy.namespace]
        return [name for name, labels in self.namespaces.items() if selects(peer.namespaces, labels)]

    @cached_property
    def _members(self) -> dict[str, list[tuple[int, Pod]]]:
        members: dict[str, list[tuple[int, Pod]]] = {}
        for address, pod in self.holders.items():
            members.setdefault(pod.namespace, []).append((address, pod))
        return members


def holders(pods: Iterable[Pod]) -> dict[int, Pod]:
    """Return each address with its pod; of two pods with one address the newer wins, as the older is terminating."""
    oldest_first = sorted(pods, key=lambda pod: (pod.created, pod.uid))
    claims = {address: pod for pod in oldest_first for address in pod.addresses}
    return dict(sorted(claims.items()))
