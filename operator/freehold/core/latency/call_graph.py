"""The call graph: paths of calls, their budgets, and cycles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from freehold.core.model.quantities import milliseconds
from freehold.core.model.resources import EMPTY, Call, CallNode, Key, Service
from freehold.core.peers import consent

Graph = Mapping[Key, CallNode]


Path = tuple[Key, ...]


class Limit(NamedTuple):
    """The longest time that is declared somewhere on a path. path: to where it is, from where it was looked for."""

    value: int
    path: Path


class Excess(NamedTuple):
    """A limit that what is below may exceed. field: where the upper one is declared; both in milliseconds."""

    path: Path
    allowed: int
    field: str
    taken: int


def node(service: Service) -> CallNode:
    """Where a service stands, by what it declares."""
    calls = [Call(consent.provider_key(service, c), _parsed(c.latency_budget)) for c in service.spec.consumes]
    return CallNode(_parsed(service.spec.latency_budget), tuple(calls))


def _parsed(budget: str | None) -> int | None:
    return milliseconds(budget) if budget else None


def excesses(key: Key, graph: Graph) -> Iterator[Excess]:
    """Each call from here that has a limit which is shorter than one below it."""
    here = graph[key]
    for call in here.calls:
        own = f"spec.consumes[{call.provider.name}].latencyBudget"
        bounds = [(call.budget, own), (here.budget, "spec.latencyBudget")]
        stated = [(allowed, field) for allowed, field in bounds if allowed is not None]
        if not stated or call.provider == key:
            continue
        allowed, field = min(stated)
        below = longest_limit(call.provider, graph, apart=key)
        if call.budget is not None and (below is None or call.budget > below.value):
            below = Limit(call.budget, (call.provider,))
        if below and below.value > allowed:
            yield Excess((key, *below.path), allowed, field, below.value)


def longest_limit(start: Key, graph: Graph, apart: Key) -> Limit | None:
    """The longest limit from a service downwards, its own promise included, without what lies behind `apart`."""
    came_from, longest = {start: start}, graph.get(start, EMPTY).budget
    at: Path = (start,)
    for key in _breadth_first(start, graph, came_from, apart):
        for provider, allowed in graph.get(key, EMPTY).calls:
            for value in (allowed, graph.get(provider, EMPTY).budget):
                if provider != apart and value is not None and (longest is None or value > longest):
                    longest, at = value, (key, provider)
    return None if longest is None else Limit(longest, (*_path(at[0], came_from), *at[1:]))


def cycle_of(key: Key, graph: Graph) -> Path:
    """The shortest way from a service back to itself; empty where there is none."""
    came_from = {key: key}
    for caller in _breadth_first(key, graph, came_from):
        if any(call.provider == key for call in graph.get(caller, EMPTY).calls):
            return (*_path(caller, came_from), key)
    return ()


def _breadth_first(start: Key, graph: Graph, came_from: dict[Key, Key], apart: Key | None = None) -> Iterator[Key]:
    """Everything from a service downwards, the nearest first. came_from: filled with who calls each."""
    waiting = [start]
    for key in waiting:
        yield key
        for provider, _ in graph.get(key, EMPTY).calls:
            if provider not in came_from and provider != apart:
                came_from[provider] = key
                waiting.append(provider)


def _path(key: Key, came_from: Mapping[Key, Key]) -> Path:
    way = [key]
    while came_from[way[-1]] != way[-1]:
        way.append(came_from[way[-1]])
    return tuple(reversed(way))


def longest_from(start: Key, graph: Graph) -> Path:
    """The longest path of calls that begins at a service, itself included; calls back into a cycle are left out."""
    done: dict[Key, tuple[int, Key | None]] = {}
    under_way = {start: _providers(start, graph)}
    while under_way:
        key, left = next(reversed(under_way.items()))
        # An explicit stack, for a chain may be longer than Python lets functions call each other.
        further = next((provider for provider in left if provider not in done and provider not in under_way), None)
        if further:
            under_way[further] = _providers(further, graph)
            continue
        ways = [(done[provider][0] + 1, provider) for provider in _providers(key, graph) if provider in done]
        done[key] = max(ways, key=lambda way: way[0], default=(0, None))
        del under_way[key]
    path, following = [start], done[start][1]
    while following:
        path.append(following)
        following = done[following][1]
    return tuple(path)


def _providers(key: Key, graph: Graph) -> Iterator[Key]:
    return (call.provider for call in graph.get(key, EMPTY).calls)


def describe(path: Path) -> str:
    """A path for people; those in other namespaces than the first with their own."""
    home = path[0].namespace
    return " → ".join(key.name if key.namespace == home else str(key) for key in path)
