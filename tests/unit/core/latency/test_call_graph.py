"""Paths: which limits cannot be met, which calls come back, and how many follow each other."""

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
"""A service's own budget, and whom it calls with which."""


def key(name: str) -> Key:
    return Key("shop", name)


def graph(declared: dict[str, Declared]) -> dict[Key, CallNode]:
    return {key(name): stand(budget, calls) for name, (budget, calls) in declared.items()}


def stand(budget: str | None, calls: dict[str, str | None]) -> CallNode:
    listed = tuple(Call(key(name), milliseconds(time) if time else None) for name, time in calls.items())
    return CallNode(milliseconds(budget) if budget else None, listed)


def said(declared: dict[str, Declared], of: str = "a") -> Condition | None:
    """What is said of one of these services, all of which exist and admit each other."""
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
    ("says", "declared", "expected"),
    [
        ("limits that never grow are met, and equal ones too", CHAIN, []),
        ("a promise two calls below", CHAIN | {"c": ("3s", {})}, ["a→b→c 2s<3s"]),
        ("one below a service that itself breaks its word", CHAIN | {"d": ("5s", {})}, ["a→b→c→d 2s<5s"]),
        ("what a caller below allows counts as much as a promise", CHAIN | {"b": (None, {"c": "4s"})}, ["a→b→c 2s<4s"]),
        ("more than itself may take", {"a": ("1s", {"b": "2s"}), "b": (None, {})}, ["a→b 1s<2s"]),
        ("less than is promised", {"a": (None, {"b": "100ms"}), "b": ("250ms", {})}, ["a→b 100ms<250ms"]),
        ("the shorter of its own limits is named", {"a": ("2s", {"b": "1s"}), "b": ("3s", {})}, ["a→b 1s<3s"]),
        ("a limit that is long enough", {"a": (None, {"b": "300ms"}), "b": ("250ms", {})}, []),
        ("no limit at all", {"a": (None, {"b": None}), "b": ("1h", {})} | {"b": ("999s", {})}, []),
        ("a provider that is not there", {"a": ("1s", {"gone": None})}, []),
        (
            "each call is judged by itself",
            {"a": ("1s", {"b": None, "c": "500ms"}), "b": ("2s", {}), "c": ("600ms", {})},
            ["a→b 1s<2s", "a→c 500ms<600ms"],
        ),
        ("its own limit is none below it", {"a": ("2s", {"b": "1s"}), "b": (None, {"a": None})}, []),
    ],
)
def test_what_cannot_be_met(says: str, declared: dict[str, Declared], expected: list[str]) -> None:
    found = call_graph.excesses(key("a"), graph(declared))
    words = [f"{'→'.join(k.name for k in e.path)} {latency(e.allowed)}<{latency(e.taken)}" for e in found]
    assert words == expected, says


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
def test_a_cycle_is_said_by_each_service_on_it_and_by_no_other(of: str, cycle: str) -> None:
    found = call_graph.cycle_of(key(of), graph(CYCLE))
    assert (call_graph.describe(found) if found else "") == cycle
    condition = said(CYCLE, of)
    assert (condition is not None and condition.reason is Reason.CALL_CYCLE) is bool(cycle)


def test_the_longest_path_is_counted_and_a_fifth_hop_named_and_held_against_nobody() -> None:
    chain = {name: (None, {below: None, "f": None}) for name, below in zip("abcd", "bcde", strict=True)}
    four = {**chain, "e": (None, {}), "f": (None, {})}
    assert said(four).reason is Reason.NONE_DECLARED  # type: ignore[union-attr]
    five = said({**four, "e": (None, {"f": None})})
    assert five == Condition(
        Type.PATHS_WITHIN_BUDGET,
        State.TRUE,
        Reason.TOO_MANY_HOPS,
        "the longest path is a → b → c → d → e → f, 5 hops, more than 4 that somebody waits for; "
        "make one of these calls an event",
    )


def test_the_message_names_the_path_what_is_missing_and_the_way_out() -> None:
    condition = said(CHAIN | {"c": ("2500ms", {})})
    assert condition is not None and (condition.state, condition.reason) == (State.FALSE, Reason.BUDGET_TOO_SMALL)
    assert condition.message == (
        "a → b → c: c may take 2500ms, 500ms more than the 2s that a allows (spec.latencyBudget); "
        "raise that to 2500ms, lower what c may take, or make one of these calls an event"
    )


def test_calls_one_after_another_that_take_too_long_together_are_words_alone() -> None:
    condition = said({"a": ("250ms", {"b": "200ms", "c": None}), "b": (None, {}), "c": ("100ms", {})})
    assert condition is not None and (condition.state, condition.reason) == (State.TRUE, Reason.WITHIN_BUDGET)
    assert "all its calls one after another may take 300ms, 50ms more than it has" in condition.message


def test_nothing_is_said_of_a_service_that_calls_nobody_and_promises_nothing() -> None:
    assert said({"a": (None, {})}) is None


def test_a_service_that_is_not_admitted_learns_of_nothing_below_its_provider() -> None:
    subject = service("a", latencyBudget="1s", consumes=[{"name": "ledger", "namespace": "bank"}])
    ledger, vault = Key("bank", "ledger"), Key("bank", "vault")
    below = {ledger: CallNode(5000, (Call(vault),)), vault: CallNode(9000)}
    shut = observed(peers=peers(peer("ledger", "bank", vault)), graph=below)
    condition = budgets.plan(Case(subject, shut)).condition
    assert condition is not None and condition.reason is Reason.WITHIN_BUDGET and "vault" not in condition.message

    consenting = peer("ledger", "bank", vault, grpc={"consumers": {"from": "All"}})
    condition = budgets.plan(Case(subject, replace(shut, peers=peers(consenting)))).condition
    assert condition is not None and "a → bank/ledger → bank/vault: bank/vault may take 9s" in condition.message


def test_a_budget_that_cannot_be_met_hinders_nothing() -> None:
    subject = service("a", latencyBudget="1s", consumes=[{"name": "b"}])
    seen = settled(subject, observed(peers=peers(peer("b")), graph={key("b"): CallNode(5000)}))
    whole = report(Case(subject, seen), reconcile(subject, seen))
    stated = {c["type"]: (c["status"], c["reason"]) for c in whole.status["conditions"]}
    assert stated["PathsWithinBudget"] == ("False", "BudgetTooSmall")
    assert stated["Ready"] == ("True", "Ready")
    assert "BudgetTooSmall" in [event.reason for event in whole.events]


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
"""A call: its provider, what it is allowed, what the provider promises."""


def walks(at: Key, known: call_graph.Graph, before: tuple[Key, ...] = ()) -> list[list[Step]]:
    """Every path of calls from a service that passes none twice, but that its last call may lead back into it."""
    found, way = [], (*before, at)
    for call in known.get(at, CallNode()).calls:
        step = (call.provider, call.budget, known.get(call.provider, CallNode()).budget)
        further = [] if call.provider in way else walks(call.provider, known, way)
        found += [[step, *rest] for rest in ([], *further)]
    return found


@given(GRAPHS)
def test_it_is_what_trying_every_path_finds(known: dict[Key, CallNode]) -> None:
    start = key("s0")
    every = walks(start, known)
    exceeded = set()
    for walk in (walk for walk in every if start not in [provider for provider, _, _ in walk]):
        first, allowed, _ = walk[0]
        upper = min((b for b in (allowed, known[start].budget) if b is not None), default=None)
        lower = max((b for _, *both in walk for b in both if b is not None), default=0)
        if upper is not None and lower > upper:
            exceeded.add(first)
    assert {excess.path[1] for excess in call_graph.excesses(start, known)} == exceeded
    ways = [(start, *(provider for provider, _, _ in walk)) for walk in every]
    assert bool(call_graph.cycle_of(start, known)) == any(way[-1] == start for way in ways)
    simple = [(start,), *(way for way in ways if len(set(way)) == len(way))]
    longest = call_graph.longest_from(start, known)
    assert longest in simple
    if len(simple) == len(ways) + 1:
        assert len(longest) == max(map(len, simple))


def test_a_thousand_services_are_looked_through_in_a_moment() -> None:
    names = [key(f"s{n}") for n in range(1000)]
    known = {one: CallNode(1000, tuple(Call(to) for to in names[n + 1 : n + 4])) for n, one in enumerate(names)}
    begun = time.process_time()
    assert len(call_graph.longest_from(names[0], known)) == 1000
    assert not list(call_graph.excesses(names[0], known)) and not call_graph.cycle_of(names[0], known)
    assert time.process_time() - begun < 1
