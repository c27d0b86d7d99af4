"""Clusters: what stands in another cluster, and how it is named here.

A namespace of another cluster is written `shop@west`, as no namespace of this one can be called. `west` is the Secret
with that cluster's kubeconfig, in the namespace of the same name here: a namespace means the same in both (KEP-1645,
'namespace sameness'). So a service that moves to another cluster moves to another namespace, and all that is said of
these holds.
"""

from __future__ import annotations

from freehold.api.v1alpha1.placement import Placement

AT = "@"


def namespace_in(namespace: str, cluster: str) -> str:
    """A namespace of another cluster."""
    return f"{namespace}{AT}{cluster}"


def is_remote(namespace: str) -> bool:
    """Whether it is one of another cluster."""
    return AT in namespace


def local_name(namespace: str) -> str:
    """As it is called in its own cluster."""
    return namespace.partition(AT)[0]


def cluster(namespace: str) -> str:
    """The Secret with the kubeconfig of its cluster; empty for one of this cluster."""
    return namespace.partition(AT)[2]


def as_seen_here(namespace: str, whose: str) -> str:
    """A namespace that somebody in the cluster `whose` speaks of, as it is called here: what is foreign there is ours,
    for a move has two sides."""
    if not namespace or is_remote(namespace):
        return local_name(namespace)
    return namespace_in(namespace, whose)


def destination(placement: Placement, home: str) -> str:
    """The namespace that a service of namespace `home` is to stand in."""
    return namespace_in(home, placement.cluster) if placement.cluster else placement.namespace or home


def origin(placement: Placement, home: str) -> str:
    """The namespace whose service of its name it takes over; empty where it takes over none."""
    return namespace_in(home, placement.from_cluster) if placement.from_cluster else placement.from_ or ""


def placement_field(namespace: str) -> str:
    """The line of a resource's spec.placement that names it."""
    return f"cluster: {cluster(namespace)}" if is_remote(namespace) else f"namespace: {namespace}"


def describe(namespace: str) -> str:
    """For people."""
    return f"cluster {cluster(namespace)}" if is_remote(namespace) else f"namespace {namespace}"
