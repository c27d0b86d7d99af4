"""Clusters: what stands in another cluster, and how it is named here.

A namespace of another cluster is written `shop@west`, as no namespace of this one can be called. `west` is the Secret
with that cluster's kubeconfig, in the namespace of the same name here: a namespace means the same in both (KEP-1645,
'namespace sameness'). So a service that moves to another cluster moves to another namespace, and all that is said of
these holds.
"""

from __future__ import annotations

from freehold.api.v1alpha1.placement import Placement

AT = "@"


def foreign(namespace: str, cluster: str) -> str:
    """A namespace of another cluster."""
    return f"{namespace}{AT}{cluster}"


def is_foreign(namespace: str) -> bool:
    """Whether it is one of another cluster."""
    return AT in namespace


def plain(namespace: str) -> str:
    """As it is called in its own cluster."""
    return namespace.partition(AT)[0]


def cluster(namespace: str) -> str:
    """The Secret with the kubeconfig of its cluster; empty for one of this cluster."""
    return namespace.partition(AT)[2]


def seen_from(namespace: str, whose: str) -> str:
    """A namespace that somebody in the cluster `whose` speaks of, as it is called here: what is foreign there is ours,
    for a move has two sides."""
    if not namespace or is_foreign(namespace):
        return plain(namespace)
    return foreign(namespace, whose)


def heading(placement: Placement, home: str) -> str:
    """The namespace that a service of namespace `home` is to stand in."""
    return foreign(home, placement.cluster) if placement.cluster else placement.namespace or home


def whence(placement: Placement, home: str) -> str:
    """The namespace whose service of its name it takes over; empty where it takes over none."""
    return foreign(home, placement.from_cluster) if placement.from_cluster else placement.from_ or ""


def edit(namespace: str) -> str:
    """The line of a resource's spec.placement that names it."""
    return f"cluster: {cluster(namespace)}" if is_foreign(namespace) else f"namespace: {namespace}"


def told(namespace: str) -> str:
    """For people."""
    return f"cluster {cluster(namespace)}" if is_foreign(namespace) else f"namespace {namespace}"
