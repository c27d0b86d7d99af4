"""Paths: the calls that a call leads to, as they are declared, and whether they fit into the time that is promised.

Two kinds of limit are declared: what a call of a service takes at most, all that it calls included
(spec.latencyBudget, its promise), and what a caller allows for one call (spec.consumes[].latencyBudget). A call
encloses all calls below it. So a path cannot meet a limit if anything farther down it has a longer one: when what is
below takes what it is entitled to, what is above has failed. That is said of a limit by the service that declares it,
for every call it makes, with the path to the longest limit below. Where nothing is said all along a path, the limits
on it never grow from caller to callee, and each can hold if those below it do.

What is said is certain, for it counts less than there is: what a service itself takes is not known and counts as
nothing, a path through services that declare nothing still ends at those that do, and calls that a service makes are
not added up, for it may make them at once. What they come to one after another is said, and held against nobody.

A hop is a call. Where more than MOST_HOPS follow each other, that is said too, and held against nobody. The longest
path that passes no service twice is counted exactly where there is no cycle; where there is one, calls back into it
are left out, and the number is one that is reached at least. A cycle is said by each service on it, not by those that
reach it.

A call counts as declared, whether or not it is ever made. A service that is not admitted by its provider, or whose
provider is not there, learns of nothing below that provider.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from freehold.core import consent
from freehold.core.conditions import Condition, Reason, State, Type
from freehold.core.model import NOWHERE, Call, Key, Observed, Plan, Service, Stand
from freehold.core.quantity import latency, milliseconds

CAPABILITY = "paths"
MOST_HOPS = 4
"""Calls that may follow each other while somebody waits; the fifth is one too many."""
NAMED = 3
"""Paths a message names."""
Graph = Mapping[Key, Stand]
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


def stand(service: Service) -> Stand:
    """Where a service stands, by what it declares."""
    calls = [Call(consent.provider_key(service, c), _parsed(c.latency_budget)) for c in service.spec.consumes]
    return Stand(_parsed(service.spec.latency_budget), tuple(calls))


def _parsed(budget: str | None) -> int | None:
    return milliseconds(budget) if budget else None


def desired(service: Service, observed: Observed) -> Plan:
    """No object; what there is to say of the paths that begin here."""
    if not service.spec.consumes and not service.spec.latency_budget:
        return Plan(CAPABILITY, ())
    graph = known(service, observed)
    return Plan(CAPABILITY, (), Condition(Type.PATHS_WITHIN_BUDGET, *_state(service.key, graph)))


def known(service: Service, observed: Observed) -> Graph:
    """The graph as far as the service may know it: nothing lies behind a provider that it may not call."""
    hidden = [consent.provider_key(service, c) for c in service.spec.consumes if consent.refusal(service, c, observed)]
    return {**observed.graph, **dict.fromkeys(hidden, NOWHERE), service.key: stand(service)}


def _state(key: Key, graph: Graph) -> tuple[State, Reason, str]:
    cycle, exceeded, longest = cycle_of(key, graph), list(excesses(key, graph)), longest_from(key, graph)
    if cycle:
        way_out = "a call that waits for itself may never end; make one of these calls an event, or take it out"
        said = [f"{shown(cycle)} is a cycle: {way_out}", *_excesses_said(exceeded)]
        return State.FALSE, Reason.CALL_CYCLE, "; ".join(said)
    if exceeded:
        return State.FALSE, Reason.BUDGET_TOO_SMALL, "; ".join(_excesses_said(exceeded))
    here = graph[key]
    hops = f"{len(longest) - 1} {'hop' if len(longest) == 2 else 'hops'}"
    said = [f"the longest path is {shown(longest)}, {hops}"] if here.calls else ["it calls nobody"]
    if len(longest) - 1 > MOST_HOPS:
        long = f"more than {MOST_HOPS} that somebody waits for; make one of these calls an event"
        return State.TRUE, Reason.TOO_MANY_HOPS, "; ".join([f"{said[0]}, {long}", *_one_after_another(here, graph)])
    if here.budget is None and all(call.budget is None for call in here.calls):
        return State.TRUE, Reason.NONE_DECLARED, f"no latencyBudget is declared here; {said[0]}"
    said.append("nothing on it may take longer than it is allowed" if here.calls else "")
    return State.TRUE, Reason.WITHIN_BUDGET, "; ".join(filter(None, [*said, *_one_after_another(here, graph)]))


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
    came_from, longest = {start: start}, graph.get(start, NOWHERE).budget
    at: Path = (start,)
    for key in _breadth_first(start, graph, came_from, apart):
        for provider, allowed in graph.get(key, NOWHERE).calls:
            for value in (allowed, graph.get(provider, NOWHERE).budget):
                if provider != apart and value is not None and (longest is None or value > longest):
                    longest, at = value, (key, provider)
    return None if longest is None else Limit(longest, (*_way(at[0], came_from), *at[1:]))


def cycle_of(key: Key, graph: Graph) -> Path:
    """The shortest way from a service back to itself; empty where there is none."""
    came_from = {key: key}
    for caller in _breadth_first(key, graph, came_from):
        if any(call.provider == key for call in graph.get(caller, NOWHERE).calls):
            return (*_way(caller, came_from), key)
    return ()


def _breadth_first(start: Key, graph: Graph, came_from: dict[Key, Key], apart: Key | None = None) -> Iterator[Key]:
    """Everything from a service downwards, the nearest first. came_from: filled with who calls each."""
    waiting = [start]
    for key in waiting:
        yield key
        for provider, _ in graph.get(key, NOWHERE).calls:
            if provider not in came_from and provider != apart:
                came_from[provider] = key
                waiting.append(provider)


def _way(key: Key, came_from: Mapping[Key, Key]) -> Path:
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
    return (call.provider for call in graph.get(key, NOWHERE).calls)


def shown(path: Path) -> str:
    """A path for people; those in other namespaces than the first with their own."""
    home = path[0].namespace
    return " → ".join(key.name if key.namespace == home else str(key) for key in path)


def _excesses_said(exceeded: list[Excess]) -> Iterator[str]:
    for path, allowed, field, taken in exceeded[:NAMED]:
        last = shown((path[0], path[-1])).rpartition(" ")[2]
        over = f"{latency(taken - allowed)} more than the {latency(allowed)} that {path[0].name} allows ({field})"
        raised = f"raise that to {latency(taken)}, lower what {last} may take, or make one of these calls an event"
        yield f"{shown(path)}: {last} may take {latency(taken)}, {over}; {raised}"
    if len(exceeded) > NAMED:
        yield f"and {len(exceeded) - NAMED} more"


def _one_after_another(here: Stand, graph: Graph) -> Iterator[str]:
    """What calls of a service come to that are not made at once."""
    times = [call.budget or graph.get(call.provider, NOWHERE).budget or 0 for call in here.calls]
    over = sum(times) - here.budget if here.budget else 0
    if over > 0:
        took = f"all its calls one after another may take {latency(sum(times))}, {latency(over)} more than it has"
        yield f"{took}: it keeps its budget only where it makes them at once"
