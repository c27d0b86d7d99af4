"""The call graph: declared calls with latency budgets, paths and cycles."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterator, Mapping
from typing import NamedTuple

from freehold.core.model.quantities import milliseconds
from freehold.core.model.resources import EMPTY, Call, CallNode, Key, Service
from freehold.core.peers import consent

Graph = Mapping[Key, CallNode]
Path = tuple[Key, ...]


class Excess(NamedTuple):
    """A limit of a call that is shorter than a limit below, both in milliseconds. field: with the shorter limit."""

    provider: Key
    allowed: int
    field: str
    taken: int


def node_of(service: Service) -> CallNode:
    """The call-graph node of a service, as declared."""
    calls = [Call(consent.provider_key(service, c), _parsed(c.latency_budget)) for c in service.spec.consumes]
    return CallNode(_parsed(service.spec.latency_budget), tuple(calls))


def _parsed(budget: str | None) -> int | None:
    return milliseconds(budget) if budget else None


def nearest(key: Key, graph: Graph, most_calls: int) -> tuple[Graph, bool]:
    """Return the part of a call graph that a service reaches, the nearest services first, and whether it is complete.

    The part ends before the service with which it would have more than most_calls calls; further services are absent.
    """
    part: dict[Key, CallNode] = {}
    left = most_calls
    for each in _breadth_first(key, graph, {key: key}):
        node = graph.get(each, EMPTY)
        left -= len(node.calls)
        if left < 0:
            return part, False
        part[each] = node
    return part, True


def excesses(key: Key, graph: Graph) -> Iterator[Excess]:
    """Yield each call of a service with a limit shorter than a limit below."""
    node, below = graph[key], _longest_limits(key, graph)
    for call in node.calls:
        own = f"spec.consumes[{call.provider.name}].latencyBudget"
        limits = [(call.budget, own), (node.budget, "spec.latencyBudget")]
        declared = [(allowed, field) for allowed, field in limits if allowed is not None]
        if not declared or call.provider == key:
            continue
        allowed, field = min(declared)
        taken = max(call.budget or 0, below.get(call.provider, 0))
        if taken > allowed:
            yield Excess(call.provider, allowed, field, taken)


def path_of(key: Key, excess: Excess, graph: Graph) -> Path:
    """Return the shortest path from a service to the limit that exceeds the limit of the service's call."""
    callers = {excess.provider: excess.provider}
    if graph.get(excess.provider, EMPTY).budget == excess.taken:
        return key, excess.provider
    for caller in _breadth_first(excess.provider, graph, callers, without=key):
        for provider, allowed in graph.get(caller, EMPTY).calls:
            if provider != key and excess.taken in (allowed, graph.get(provider, EMPTY).budget):
                return (key, *_path(caller, callers), provider)
    return key, excess.provider  # the limit of the call itself


def _longest_limits(key: Key, graph: Graph) -> dict[Key, int]:
    """Return the longest limit of each service below a service and of all services below that one, without the service
    itself. Services without a limit below are absent.

    Each call is considered twice: the longest limits are passed on to callers first, and each service keeps the first.
    """
    callers: defaultdict[Key, list[Key]] = defaultdict(list)
    own: dict[Key, int] = {}
    for each in _breadth_first(key, graph, {key: key}):
        budget, calls = graph.get(each, EMPTY)
        limits = [budget, *(allowed for provider, allowed in calls if provider != key)]
        own[each] = max((limit for limit in limits if limit is not None), default=0)
        for provider, _ in calls:
            callers[provider].append(each)
    del own[key]
    longest: dict[Key, int] = {}
    for each in sorted((each for each in own if own[each]), key=lambda each: own[each], reverse=True):
        waiting = [each]
        for service in waiting:
            if service not in longest and service != key:
                longest[service] = own[each]
                waiting += callers[service]
    return longest


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


def describe(path: Path, hidden: Container[Key] = ()) -> str:
    """Format a path for messages; services of other namespaces than the first are written with the namespace.

    hidden: the services without a name in the message.
    """
    home = path[0].namespace
    names = (key.name if key.namespace == home else str(key) for key in path)
    return " → ".join("another service" if key in hidden else name for key, name in zip(path, names, strict=True))
