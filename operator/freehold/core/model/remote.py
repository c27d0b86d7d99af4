"""Names for the namespaces of remote clusters.

A namespace of a remote cluster is written `shop@west`, a name that no local namespace can have. `west` is a cluster
that the platform team has registered, and the Secret with the token in the local namespace `shop`: equal namespaces
belong together (KEP-1645, 'namespace sameness'). A move to another cluster is therefore a move to another namespace,
with the same rules.
"""

from __future__ import annotations

from freehold.api.v1alpha1.placement import Placement

AT = "@"


def namespace_in(namespace: str, cluster: str) -> str:
    """Return the name of a namespace of a remote cluster, like `shop@west`."""
    return f"{namespace}{AT}{cluster}"


def is_remote(namespace: str) -> bool:
    """Return whether a namespace belongs to a remote cluster."""
    return AT in namespace


def local_name(namespace: str) -> str:
    """Return the name of a namespace in its own cluster: `shop` for `shop@west`."""
    return namespace.partition(AT)[0]


def cluster(namespace: str) -> str:
    """Return the registered cluster, and the Secret: `west` for `shop@west`; empty for a local namespace."""
    return namespace.partition(AT)[2]


def as_seen_here(namespace: str, cluster: str) -> str:
    """Translate a namespace from the point of view of a remote cluster to the local one.

    A namespace local to `cluster` becomes remote, and a remote one becomes local, since a move has two sides.
    """
    if not namespace or is_remote(namespace):
        return local_name(namespace)
    return namespace_in(namespace, cluster)


def destination(placement: Placement, home: str) -> str:
    """Return the namespace in which a service of namespace `home` is to be."""
    return namespace_in(home, placement.cluster) if placement.cluster else placement.namespace or home


def origin(placement: Placement, home: str) -> str:
    """Return the namespace of the service that a service of namespace `home` replaces; empty if it replaces none."""
    return namespace_in(home, placement.from_cluster) if placement.from_cluster else placement.from_ or ""


def placement_field(namespace: str) -> str:
    """Return the line under spec.placement that names a namespace as the destination."""
    return f"cluster: {cluster(namespace)}" if is_remote(namespace) else f"namespace: {namespace}"


def describe(namespace: str) -> str:
    """Return `cluster west` or `namespace people`, for messages."""
    return f"cluster {cluster(namespace)}" if is_remote(namespace) else f"namespace {namespace}"
