"""Latency budgets along the call graph: excesses, cycles and long paths."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from freehold.core import latency as budgets
from freehold.core.latency import call_graph
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.quantities import latency, milliseconds
from freehold.core.model.resources import Call, CallNode, Key
from freehold.core.reconcile import report
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.worlds import observed, peer, peers, reconcile, service, settled

Declared = tuple[str | None, dict[str, str | None]]
"""The budget of a service, and the budget of each call by provider."""


def key(name: str) -> Key:
    return Key("shop", name)


def graph(declared: dict[str, Declared]) -> dict[Key, CallNode]:
    return {key(name): call_node(budget, calls) for name, (budget, calls) in declared.items()}


def call_node(budget: str | None, calls: dict[str, str | None]) -> CallNode:
    listed = tuple(Call(key(name), milliseconds(time) if time else None) for name, time in calls.items())
    return CallNode(milliseconds(budget) if budget else None, listed)


def condition_of(declared: dict[str, Declared], of: str = "a") -> Condition | None:
    """Condition PathsWithinBudget of a service; all services exist and admit each other."""
    budget, calls = declared[of]
    consumes = [{"name": name, **({"latencyBudget": time} if time else {})} for name, time in calls.items()]
    subject = service(of, consumes=consumes, **({"latencyBudget": budget} if budget else {}))
    others = peers(*(peer(name) for name in (*declared, *calls) if name != of))
    return budgets.plan(Case(subject, observed(peers=others, graph=graph(declared)))).condition


CHAIN: dict[str, Declared] = {
    "a": ("2s", {"b": None}),
    "b": (None, {"c": None}),
    "c": ("1s", {"d": None}),
    "d": ("1s", {}),
}


@pytest.mark.parametrize(
    ("title", "declared", "expected"),
    [
        ("limits that never grow", CHAIN, []),
        ("a budget two calls below", CHAIN | {"c": ("3s", {})}, ["a→b→c 2s<3s"]),
        ("a limit below a service with an excess of its own", CHAIN | {"d": ("5s", {})}, ["a→b→c→d 2s<5s"]),
        ("the budget of a call below", CHAIN | {"b": (None, {"c": "4s"})}, ["a→b→c 2s<4s"]),
        ("a call longer than the service", {"a": ("1s", {"b": "2s"}), "b": (None, {})}, ["a→b 1s<2s"]),
        ("a call shorter than the provider", {"a": (None, {"b": "100ms"}), "b": ("250ms", {})}, ["a→b 100ms<250ms"]),
        ("the shorter of two limits is named", {"a": ("2s", {"b": "1s"}), "b": ("3s", {})}, ["a→b 1s<3s"]),
        ("a limit long enough", {"a": (None, {"b": "300ms"}), "b": ("250ms", {})}, []),
        ("no limit at all", {"a": (None, {"b": None}), "b": ("1h", {})} | {"b": ("999s", {})}, []),
        ("a missing provider", {"a": ("1s", {"gone": None})}, []),
        (
            "each call on its own",
            {"a": ("1s", {"b": None, "c": "500ms"}), "b": ("2s", {}), "c": ("600ms", {})},
            ["a→b 1s<2s", "a→c 500ms<600ms"],
        ),
        ("own limits are not below", {"a": ("2s", {"b": "1s"}), "b": (None, {"a": None})}, []),
    ],
)
def test_excesses(title: str, declared: dict[str, Declared], expected: list[str]) -> None:
    """Each call with a limit shorter than a limit below is an excess."""
    nodes = graph(declared)
    found = [(e, call_graph.path_of(key("a"), e, nodes)) for e in call_graph.excesses(key("a"), nodes)]
    listed = [f"{'→'.join(k.name for k in path)} {latency(e.allowed)}<{latency(e.taken)}" for e, path in found]
    assert listed == expected, title


CYCLE: dict[str, Declared] = {
    "top": (None, {"a": None}),
    "a": (None, {"leaf": None, "b": None}),
    "b": (None, {"c": None}),
    "c": (None, {"a": None}),
    "leaf": (None, {}),
}


@pytest.mark.parametrize(
    ("of", "cycle"),
    [("a", "a → b → c → a"), ("b", "b → c → a → b"), ("c", "c → a → b → c"), ("top", ""), ("leaf", "")],
)
def test_cycle_is_reported_by_services_on_the_cycle(of: str, cycle: str) -> None:
    """Services on a cycle report the cycle; other services do not."""
    found = call_graph.cycle_of(key(of), graph(CYCLE))
    assert (call_graph.describe(found) if found else "") == cycle
    condition = condition_of(CYCLE, of)
    assert (condition is not None and condition.reason is Reason.CALL_CYCLE) is bool(cycle)


def test_fifth_hop_is_mentioned() -> None:
    """More than four hops are mentioned, and the condition stays True."""
    chain = {name: (None, {below: None, "f": None}) for name, below in zip("abcd", "bcde", strict=True)}
    four = {**chain, "e": (None, {}), "f": (None, {})}
    assert condition_of(four).reason is Reason.NONE_DECLARED  # type: ignore[union-attr]
    five = condition_of({**four, "e": (None, {"f": None})})
    assert five == Condition(
        Type.PATHS_WITHIN_BUDGET,
        State.TRUE,
        Reason.TOO_MANY_HOPS,
        "the longest path is a → b → c → d → e → f, 5 hops, more than the recommended 4; "
        "make one of these calls an event",
    )


def test_message_of_an_excess() -> None:
    """The message names the path, both limits, the field and the action."""
    condition = condition_of(CHAIN | {"c": ("2500ms", {})})
    assert condition is not None and (condition.state, condition.reason) == (State.FALSE, Reason.BUDGET_TOO_SMALL)
    assert condition.message == (
        "a → b → c: c may take 2500ms, 500ms more than the 2s that a allows (spec.latencyBudget); "
        "raise the limit to 2500ms, lower what c may take, or make one of these calls an event"
    )


def test_sum_of_calls_is_mentioned() -> None:
    """A sum of calls above the budget is mentioned, and the condition stays True."""
    condition = condition_of({"a": ("250ms", {"b": "200ms", "c": None}), "b": (None, {}), "c": ("100ms", {})})
    assert condition is not None and (condition.state, condition.reason) == (State.TRUE, Reason.WITHIN_BUDGET)
    assert "all calls in sequence may take 300ms, 50ms more than the budget" in condition.message


def test_no_condition_without_calls_and_budget() -> None:
    """A service without calls and budget has no condition."""
    assert condition_of({"a": (None, {})}) is None


def test_nothing_is_known_below_a_refusing_provider() -> None:
    """A service learns about calls below a provider only with consent, and then no names."""
    subject = service("a", latencyBudget="1s", consumes=[{"name": "ledger", "namespace": "bank"}])
    ledger, vault = Key("bank", "ledger"), Key("bank", "vault")
    below = {ledger: CallNode(5000, (Call(vault),)), vault: CallNode(9000)}
    refused = observed(peers=peers(peer("ledger", "bank", vault)), graph=below)
    condition = budgets.plan(Case(subject, refused)).condition
    assert condition is not None and condition.reason is Reason.WITHIN_BUDGET and "vault" not in condition.message

    consenting = peer("ledger", "bank", vault, grpc={"consumers": {"from": "All"}})
    condition = budgets.plan(Case(subject, replace(refused, peers=peers(consenting)))).condition
    assert (
        condition is not None and "a → bank/ledger → another service: another service may take 9s" in condition.message
    )


def test_excess_does_not_affect_ready() -> None:
    """An excess is reported with an Event, and Ready stays True."""
    subject = service("a", latencyBudget="1s", consumes=[{"name": "b"}])
    seen = settled(subject, observed(peers=peers(peer("b")), graph={key("b"): CallNode(5000)}))
    reported = report(Case(subject, seen), reconcile(subject, seen))
    conditions = {c["type"]: (c["status"], c["reason"]) for c in reported.status["conditions"]}
    assert conditions["PathsWithinBudget"] == ("False", "BudgetTooSmall")
    assert conditions["Ready"] == ("True", "Ready")
    assert "BudgetTooSmall" in [event.reason for event in reported.events]


BUDGETS = st.none() | st.integers(1, 9)
GRAPHS = st.lists(
    st.tuples(BUDGETS, st.lists(st.tuples(st.integers(0, 6), BUDGETS), max_size=3, unique_by=lambda c: c[0])),
    min_size=1,
    max_size=7,
).map(
    lambda listed: {
        key(f"s{n}"): CallNode(b, tuple(Call(key(f"s{to}"), t) for to, t in c)) for n, (b, c) in enumerate(listed)
    }
)


Step = tuple[Key, int | None, int | None]
"""A call: provider, budget of the call, budget of the provider."""


def walks(at: Key, nodes: call_graph.Graph, before: tuple[Key, ...] = ()) -> list[list[Step]]:
    """All paths of calls from a service without repetition, except that the last call may close a cycle."""
    found, path = [], (*before, at)
    for call in nodes.get(at, CallNode()).calls:
        step = (call.provider, call.budget, nodes.get(call.provider, CallNode()).budget)
        further = [] if call.provider in path else walks(call.provider, nodes, path)
        found += [[step, *rest] for rest in ([], *further)]
    return found


@given(GRAPHS)
def test_results_equal_exhaustive_search(nodes: dict[Key, CallNode]) -> None:
    """Excesses, cycles and longest path equal those of an exhaustive search."""
    start = key("s0")
    paths = walks(start, nodes)
    exceeded = set()
    for walk in (walk for walk in paths if start not in [provider for provider, _, _ in walk]):
        first, allowed, _ = walk[0]
        upper = min((b for b in (allowed, nodes[start].budget) if b is not None), default=None)
        lower = max((b for _, *both in walk for b in both if b is not None), default=0)
        if upper is not None and lower > upper:
            exceeded.add(first)
    assert {excess.provider for excess in call_graph.excesses(start, nodes)} == exceeded
    listed = [(start, *(provider for provider, _, _ in walk)) for walk in paths]
    assert bool(call_graph.cycle_of(start, nodes)) == any(path[-1] == start for path in listed)
    simple = [(start,), *(path for path in listed if len(set(path)) == len(path))]
    longest = call_graph.longest_from(start, nodes)
    assert longest in simple
    if len(simple) == len(listed) + 1:
        assert len(longest) == max(map(len, simple))


def test_a_thousand_services_take_less_than_a_second() -> None:
    """A graph of a thousand services is searched within a second."""
    names = [key(f"s{n}") for n in range(1000)]
    nodes = {key: CallNode(1000, tuple(Call(to) for to in names[n + 1 : n + 4])) for n, key in enumerate(names)}
    begun = time.process_time()
    assert len(call_graph.longest_from(names[0], nodes)) == 1000
    assert not list(call_graph.excesses(names[0], nodes)) and not call_graph.cycle_of(names[0], nodes)
    assert time.process_time() - begun < 1


FOREIGN = Key("accounts", "people"), Key("secret", "ledger"), Key("shop", "stock")


@pytest.mark.parametrize(
    ("ledger", "words"),
    [
        ("1s", "the longest path is a → accounts/people → another service → stock, 3 hops"),
        ("9s", "a → accounts/people → another service: another service may take 9s, 7s more"),
    ],
)
def test_strangers_are_not_named(ledger: str, words: str) -> None:
    """A path names the own namespace and the declared providers, not who these call in other namespaces."""
    people, hidden, stock = FOREIGN
    subject = service("a", latencyBudget="2s", consumes=[{"name": "people", "namespace": "accounts"}])
    nodes = {
        people: CallNode(None, (Call(hidden),)),
        hidden: CallNode(milliseconds(ledger), (Call(stock),)),
        stock: CallNode(None, ()),
    }
    known = peers(peer("people", "accounts", grpc={"consumers": {"from": "All"}}))
    condition = budgets.plan(Case(subject, observed(peers=known, graph=nodes))).condition
    assert condition
    assert words in condition.message
    assert "ledger" not in condition.message
