"""The most consumers of a service, shared fairly between namespaces.

Each consumer is an entry in the provider's network policy, and etcd refuses objects beyond 1.5 MiB. Without a bound,
the owner of one namespace could declare so many consumers that the policy could no longer be written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache

from freehold.core.model.resources import Key

MOST = 1000
"""The most consumers of a service. An entry of a network policy has up to 400 bytes."""


def shared(consumers: Iterable[Key]) -> frozenset[Key]:
    """Return at most MOST of the consumers: in turn one of each namespace, by name.

    A namespace with few consumers keeps them, however many another namespace has.
    """
    return _shared(frozenset(consumers))


@lru_cache(maxsize=128)  # all consumers of a provider ask the same
def _shared(consumers: frozenset[Key]) -> frozenset[Key]:
    by_namespace: defaultdict[str, list[Key]] = defaultdict(list)
    for key in sorted(consumers):
        by_namespace[key.namespace].append(key)
    turns = sorted((turn, key) for listed in by_namespace.values() for turn, key in enumerate(listed))
    return frozenset(key for _, key in turns[:MOST])
