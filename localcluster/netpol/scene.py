"""Who holds which address at one moment, and which addresses a policy's peers mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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
        pods = [
            (address, address)
            for address, pod in self.holders.items()
            if any(self._is_meant(pod, peer, policy) for peer in peers)
        ]
        return merged(blocks + pods)

    def _is_meant(self, pod: Pod, peer: Peer, policy: Policy) -> bool:
        if peer.addresses is not None or not selects(peer.pods or (), pod.labels):
            return False
        if peer.namespaces is None:
            return pod.namespace == policy.namespace
        labels = self.namespaces.get(pod.namespace)
        # A namespace not seen yet has unknown labels, not none: NotIn and DoesNotExist must not let it in.
        return labels is not None and selects(peer.namespaces, labels)


def holders(pods: Iterable[Pod]) -> dict[int, Pod]:
    """Each address with the pod that holds it: where two claim one, the younger, for the older is on its way out."""
    oldest_first = sorted(pods, key=lambda pod: (pod.created, pod.uid))
    claims = {address: pod for pod in oldest_first for address in pod.addresses}
    return dict(sorted(claims.items()))
