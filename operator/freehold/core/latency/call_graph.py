"""The call graph: declared calls with latency budgets, paths and cycles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from freehold.core.model.quantities import milliseconds
from freehold.core.model.resources import EMPTY, Call, CallNode, Key, Service
from freehold.core.peers import consent

Graph = Mapping[Key, CallNode]
Path = tuple[Key, ...]


class Limit(NamedTuple):
    """The longest limit on a path, in milliseconds. path: from the start of the search to the limit."""

    value: int
    path: Path


class Excess(NamedTuple):
    """A limit that is shorter than a limit below, both in milliseconds. field: the field with the shorter limit."""

    path: Path
    allowed: int
    field: str
    taken: int


def node_of(service: Service) -> CallNode:
    """The call-graph node of a service, as declared."""
    calls = [Call(consent.provider_key(service, c), _parsed(c.latency_budget)) for c in service.spec.consumes]
    return CallNode(_parsed(service.spec.latency_budget), tuple(calls))


def _parsed(budget: str | None) -> int | None:
    return milliseconds(budget) if budget else None


def excesses(key: Key, graph: Graph) -> Iterator[Excess]:
    """Yield each call of a service with a limit shorter than a limit below."""
    node = graph[key]
    for call in node.calls:
        own = f"spec.consumes[{call.provider.name}].latencyBudget"
        limits = [(call.budget, own), (node.budget, "spec.latencyBudget")]
        declared = [(allowed, field) for allowed, field in limits if allowed is not None]
        if not declared or call.provider == key:
            continue
        allowed, field = min(declared)
        below = _longest_limit(call.provider, graph, without=key)
        if call.budget is not None and (below is None or call.budget > below.value):
            below = Limit(call.budget, (call.provider,))
        if below and below.value > allowed:
            yield Excess((key, *below.path), allowed, field, below.value)


def _longest_limit(start: Key, graph: Graph, without: Key) -> Limit | None:
    """Return the longest limit of a service and of all services below, without the service `without`."""
    callers, longest = {start: start}, graph.get(start, EMPTY).budget
    edge: Path = (start,)
    for key in _breadth_first(start, graph, callers, without):
        for provider, allowed in graph.get(key, EMPTY).calls:
            for value in (allowed, graph.get(provider, EMPTY).budget):
                if provider != without and value is not None and (longest is None or value > longest):
                    longest, edge = value, (key, provider)
    return None if longest is None else Limit(longest, (*_path(edge[0], callers), *edge[1:]))


def cycle_of(key: Key, graph: Graph) -> Path:
    """Return the shortest cycle through a service; empty without a cycle."""
    callers = {key: key}
    for caller in _breadth_first(key, graph, callers):
        if any(call.provider == key for call in graph.get(caller, EMPTY).calls):
            return (*_path(caller, callers), key)
    return ()


def _breadth_first(start: Key, graph: Graph, callers: dict[Key, Key], without: Key | None = None) -> Iterator[Key]:
    """Yield a service and all services below, breadth first. callers: filled with the caller of each service."""
    waiting = [start]
    for key in waiting:
        yield key
        for provider, _ in graph.get(key, EMPTY).calls:
            if provider not in callers and provider != without:
                callers[provider] = key
                waiting.append(provider)


def _path(key: Key, callers: Mapping[Key, Key]) -> Path:
    path = [key]
    while callers[path[-1]] != path[-1]:
        path.append(callers[path[-1]])
    return tuple(reversed(path))


def longest_from(start: Key, graph: Graph) -> Path:
    """Return the longest path from a service, the service included. Calls back into a cycle are ignored."""
    done: dict[Key, tuple[int, Key | None]] = {}  # the length of the longest path, and the next service on the path
    # An explicit stack, because a chain may be longer than Python's recursion limit.
    stack = {start: _providers(start, graph)}
    while stack:
        key, waiting = next(reversed(stack.items()))
        deeper = next((provider for provider in waiting if provider not in done and provider not in stack), None)
        if deeper:
            stack[deeper] = _providers(deeper, graph)
            continue
        paths = [(done[provider][0] + 1, provider) for provider in _providers(key, graph) if provider in done]
        done[key] = max(paths, key=lambda path: path[0], default=(0, None))
        del stack[key]
    path, following = [start], done[start][1]
    while following:
        path.append(following)
        following = done[following][1]
    return tuple(path)


def _providers(key: Key, graph: Graph) -> Iterator[Key]:
    return (call.provider for call in graph.get(key, EMPTY).calls)


def describe(path: Path) -> str:
    """Format a path for messages; services of other namespaces than the first are written with the namespace."""
    home = path[0].namespace
    return " → ".join(key.name if key.namespace == home else str(key) for key in path)
