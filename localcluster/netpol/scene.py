"""Who holds which address at one moment, and which addresses a policy's peers mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from .intervals import ALL_ADDRESSES, Ranges, merged
from .model import Labels, Peer, Pod, Policy, selects


@dataclass(frozen=True)
class Scene:
    """Every pod address of the cluster with its holder, and every namespace with its labels."""

    holders: Mapping[int, Pod]
    namespaces: Mapping[str, Labels]

    def addresses(self, peers: tuple[Peer, ...] | None, policy: Policy) -> Ranges:
        """The addresses that any of `peers` means; None means everybody, also outside the cluster."""
        if peers is None:
            return ALL_ADDRESSES
        blocks = [block for peer in peers for block in peer.addresses or ()]
        pods = [(address, address) for peer in peers for address in self._selected(peer, policy)]
        return merged(blocks + pods)

    def _selected(self, peer: Peer, policy: Policy) -> Iterator[int]:
        if peer.addresses is not None:
            return
        for namespace in self._homes(peer, policy):
            for address, pod in self._members.get(namespace, ()):
                if selects(peer.pods or (), pod.labels):
                    yield address

    def _homes(self, peer: Peer, policy: Policy) -> list[str]:
        """The namespaces a peer means. One not seen yet is none of them: its labels are unknown, not absent."""
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
    """Each address with the pod that holds it: where two claim one, the younger, for the older is on its way out."""
    oldest_first = sorted(pods, key=lambda pod: (pod.created, pod.uid))
    claims = {address: pod for pod in oldest_first for address in pod.addresses}
    return dict(sorted(claims.items()))
