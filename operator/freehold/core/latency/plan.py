"""Condition PathsWithinBudget: comparison of latency budgets along the call graph.

Two kinds of limit are declared: `spec.latencyBudget`, the most time for a call of the service, and
`spec.consumes[].latencyBudget`, the most time for one call of a provider. A call encloses all calls below, so no limit
may be longer than a limit above on the same path. Each service compares each call with the longest limit below, and
reports the path. If no service on a path reports an excess, limits never grow from caller to callee.

Only certain excesses are reported. The time of a service itself is unknown and counts as zero. Calls of one service
are not added up, since they may run in parallel; the sum is mentioned when larger than the budget. Services without
declared limits are passed through.

More than MOST_HOPS calls in a row are mentioned. The length of the longest path is exact without cycles; with cycles,
calls back into a cycle are ignored and the length is a lower bound. A cycle is reported by each service on the cycle,
and not by services that only reach the cycle.

At most MOST_CALLS calls below a service are considered, the nearest first, so that many services of one namespace cost
bounded work; the condition says so.

Calls count as declared, whether or not a call is ever made. A service learns nothing about calls below a provider that
is missing or does not consent.
"""

from __future__ import annotations

from collections.abc import Iterator

from freehold.core.latency.call_graph import (
    Excess,
    Graph,
    Path,
    cycle_of,
    describe,
    excesses,
    longest_from,
    nearest,
    node_of,
    path_of,
)
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.quantities import latency
from freehold.core.model.resources import EMPTY, CallNode, Plan
from freehold.core.peers import consent

CAPABILITY = "latency"
MOST_HOPS = 4
"""The most calls in a row without a remark."""
MOST_CALLS = 2000
"""The most calls that are considered for a service."""
NAMED = 3
"""Paths named in a message."""


def plan(case: Case) -> Plan:
    """Return a plan without objects, with the condition of a service that calls others or declares a budget."""
    if not case.spec.consumes and not case.spec.latency_budget:
        return Plan(CAPABILITY, ())
    graph, is_complete = nearest(case.key, call_graph_of(case), MOST_CALLS)
    state, reason, message = _state(case, graph)
    limit = "" if is_complete else f"; only the nearest {MOST_CALLS} of the calls below are considered"
    return Plan(CAPABILITY, (), Condition(Type.PATHS_WITHIN_BUDGET, state, reason, message + limit))


def call_graph_of(case: Case) -> Graph:
    """Return the call graph with empty nodes for providers that the service may not call."""
    hidden = [consent.provider_key(case.service, c) for c in case.spec.consumes if consent.refusal(case, c)]
    return {**case.observed.graph, **dict.fromkeys(hidden, EMPTY), case.key: node_of(case.service)}


def _describe(case: Case, path: Path) -> str:
    """Format a path; of other namespaces only providers and consumers of the service are named.

    Who calls whom in namespaces further down is not for the owner of this service to know.
    """
    partners = {*consent.consumers(case), *(consent.provider_key(case.service, c) for c in case.spec.consumes)}
    return describe(path, {key for key in path if key.namespace != case.namespace and key not in partners})


def _state(case: Case, graph: Graph) -> tuple[State, Reason, str]:
    key = case.key
    cycle, exceeded, longest = cycle_of(key, graph), list(excesses(key, graph)), longest_from(key, graph)
    if cycle:
        action = "a call that waits for itself may never end; make one of these calls an event, or remove the call"
        messages = [f"{_describe(case, cycle)} is a cycle: {action}", *_describe_excesses(case, graph, exceeded)]
        return State.FALSE, Reason.CALL_CYCLE, "; ".join(messages)
    if exceeded:
        return State.FALSE, Reason.BUDGET_TOO_SMALL, "; ".join(_describe_excesses(case, graph, exceeded))
    node = graph[key]
    hops = f"{len(longest) - 1} {'hop' if len(longest) == 2 else 'hops'}"
    path = f"the longest path is {_describe(case, longest)}, {hops}" if node.calls else "no service is called"
    if len(longest) - 1 > MOST_HOPS:
        action = f"more than the recommended {MOST_HOPS}; make one of these calls an event"
        return State.TRUE, Reason.TOO_MANY_HOPS, "; ".join([f"{path}, {action}", *_describe_sum(node, graph)])
    if node.budget is None and all(call.budget is None for call in node.calls):
        return State.TRUE, Reason.NONE_DECLARED, f"no latencyBudget is declared here; {path}"
    within = ["no limit below exceeds a limit here"] if node.calls else []
    return State.TRUE, Reason.WITHIN_BUDGET, "; ".join([path, *within, *_describe_sum(node, graph)])


def _describe_excesses(case: Case, graph: Graph, exceeded: list[Excess]) -> Iterator[str]:
    for excess in exceeded[:NAMED]:
        path, taken = path_of(case.key, excess, graph), latency(excess.taken)
        last = _describe(case, (case.key, path[-1])).partition(" → ")[2]
        more = latency(excess.taken - excess.allowed)
        over = f"{more} more than the {latency(excess.allowed)} that {case.name} allows ({excess.field})"
        action = f"raise the limit to {taken}, lower what {last} may take, or make one of these calls an event"
        yield f"{_describe(case, path)}: {last} may take {taken}, {over}; {action}"
    if len(exceeded) > NAMED:
        yield f"and {len(exceeded) - NAMED} more"


def _describe_sum(node: CallNode, graph: Graph) -> Iterator[str]:
    """Yield a remark if all calls of a service in sequence would exceed the service's budget."""
    times = [call.budget or graph.get(call.provider, EMPTY).budget or 0 for call in node.calls]
    over = sum(times) - node.budget if node.budget else 0
    if over > 0:
        total = f"all calls in sequence may take {latency(sum(times))}, {latency(over)} more than the budget"
        yield f"{total}: make them in parallel"
