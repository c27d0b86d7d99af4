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

from collections.abc import Iterator

from freehold.core.latency.call_graph import Excess, Graph, cycle_of, describe, excesses, longest_from, node
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.quantities import latency
from freehold.core.model.resources import EMPTY, CallNode, Key, Plan
from freehold.core.peers import consent

CAPABILITY = "latency"
MOST_HOPS = 4
"""Calls that may follow each other while somebody waits; the fifth is one too many."""
NAMED = 3
"""Paths a message names."""


def plan(case: Case) -> Plan:
    """No object; what there is to say of the paths that begin here."""
    if not case.spec.consumes and not case.spec.latency_budget:
        return Plan(CAPABILITY, ())
    graph = call_graph_of(case)
    return Plan(CAPABILITY, (), Condition(Type.PATHS_WITHIN_BUDGET, *_state(case.key, graph)))


def call_graph_of(case: Case) -> Graph:
    """The graph as far as the service may know it: nothing lies behind a provider that it may not call."""
    hidden = [consent.provider_key(case.service, c) for c in case.spec.consumes if consent.refusal(case, c)]
    return {**case.observed.graph, **dict.fromkeys(hidden, EMPTY), case.key: node(case.service)}


def _state(key: Key, graph: Graph) -> tuple[State, Reason, str]:
    cycle, exceeded, longest = cycle_of(key, graph), list(excesses(key, graph)), longest_from(key, graph)
    if cycle:
        way_out = "a call that waits for itself may never end; make one of these calls an event, or take it out"
        said = [f"{describe(cycle)} is a cycle: {way_out}", *_describe_excesses(exceeded)]
        return State.FALSE, Reason.CALL_CYCLE, "; ".join(said)
    if exceeded:
        return State.FALSE, Reason.BUDGET_TOO_SMALL, "; ".join(_describe_excesses(exceeded))
    here = graph[key]
    hops = f"{len(longest) - 1} {'hop' if len(longest) == 2 else 'hops'}"
    said = [f"the longest path is {describe(longest)}, {hops}"] if here.calls else ["it calls nobody"]
    if len(longest) - 1 > MOST_HOPS:
        long = f"more than {MOST_HOPS} that somebody waits for; make one of these calls an event"
        return State.TRUE, Reason.TOO_MANY_HOPS, "; ".join([f"{said[0]}, {long}", *_hops(here, graph)])
    if here.budget is None and all(call.budget is None for call in here.calls):
        return State.TRUE, Reason.NONE_DECLARED, f"no latencyBudget is declared here; {said[0]}"
    said.append("nothing on it may take longer than it is allowed" if here.calls else "")
    return State.TRUE, Reason.WITHIN_BUDGET, "; ".join(filter(None, [*said, *_hops(here, graph)]))


def _describe_excesses(exceeded: list[Excess]) -> Iterator[str]:
    for path, allowed, field, taken in exceeded[:NAMED]:
        last = describe((path[0], path[-1])).rpartition(" ")[2]
        over = f"{latency(taken - allowed)} more than the {latency(allowed)} that {path[0].name} allows ({field})"
        raised = f"raise that to {latency(taken)}, lower what {last} may take, or make one of these calls an event"
        yield f"{describe(path)}: {last} may take {latency(taken)}, {over}; {raised}"
    if len(exceeded) > NAMED:
        yield f"and {len(exceeded) - NAMED} more"


def _hops(here: CallNode, graph: Graph) -> Iterator[str]:
    """What calls of a service come to that are not made at once."""
    times = [call.budget or graph.get(call.provider, EMPTY).budget or 0 for call in here.calls]
    over = sum(times) - here.budget if here.budget else 0
    if over > 0:
        took = f"all its calls one after another may take {latency(sum(times))}, {latency(over)} more than it has"
        yield f"{took}: it keeps its budget only where it makes them at once"
