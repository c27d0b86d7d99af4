"""Who stands on what, as a tree and as the languages that draw it."""

from __future__ import annotations

from freehold.cli.commands import graph as command
from freehold.core.model.resources import Key
from freehold.views import graph

from tests.unit.cli.pictures import live, picture, printed, users
from tests.unit.core.worlds import GRPC

CONSUMES = [
    {"name": "users"},
    {"name": "gone"},
    {"name": "quiet"},
    {"name": "ledger", "namespace": "accounts"},
    {"name": "vault", "namespace": "secret"},
]
KNOWN = picture(
    live("payments", grpc=GRPC, consumes=CONSUMES),
    live("quiet", http={}),
    users(),
    live("ledger", "accounts", grpc=GRPC),
)
SERVICES = [KNOWN.services[Key("shop", name)] for name in ("payments", "quiet", "users")]
WAYS = graph.longest(SERVICES, KNOWN)
EDGES = [edge for service in SERVICES for edge in graph.edges(service, KNOWN, frozenset({"secret"}))]


TREE = """\
payments
├── consumes users
├── ✗ consumes gone: does not exist
├── ✗ consumes quiet: declares no spec.grpc
├── ✗ consumes accounts/ledger: ledger in namespace accounts admits no consumers from namespace shop; its owner can \
add shop under spec.grpc.consumers
└── ? consumes secret/vault: no right to look into namespace secret
quiet
users
└── database users-database (postgresql 15)"""


def test_a_tree() -> None:
    assert printed(command.tree(SERVICES, EDGES, WAYS, across=False)) == TREE


def test_graphviz() -> None:
    lines = list(command.dot(SERVICES, EDGES))
    assert '  "shop/users" -> "shop/users-database" [arrowhead=none]' in lines
    assert '  "shop/payments" -> "shop/users"' in lines
    assert '  "shop/payments" -> "shop/gone" [style=dashed, color=red, label="does not exist"]' in lines


def test_mermaid() -> None:
    assert list(command.mermaid(SERVICES[1:], [])) == [
        "flowchart LR",
        '  s0["shop/quiet"]',
        '  s1["shop/users"]',
        '  s1 --- s1d[("shop/users-database")]',
    ]
    lines = list(command.mermaid(SERVICES, EDGES))
    assert "  s0 --> s2" in lines
    assert '  s0 -. "does not exist" .-> s3' in lines and '  s3["shop/gone"]' in lines


BUDGETED = picture(
    live("storefront", http={}, latencyBudget="2s", consumes=[{"name": "invoices", "latencyBudget": "800ms"}]),
    live("invoices", grpc=GRPC, consumes=[{"name": "payments"}]),
    live("payments", grpc=GRPC, latencyBudget="250ms"),
)
WITHIN = """\
storefront (2s, 2 hops: storefront → invoices → payments)
└── consumes invoices in 800ms
invoices
└── consumes payments in 250ms
payments (250ms)"""


def test_what_calls_may_take_and_how_far_they_lead() -> None:
    services = list(BUDGETED.services.values())
    edges = [edge for service in services for edge in graph.edges(service, BUDGETED, frozenset())]
    ways = graph.longest(services, BUDGETED)
    assert printed(command.tree(services, edges, ways, across=False)) == WITHIN
    assert '  "shop/storefront" -> "shop/invoices" [label="800ms"]' in command.dot(services, edges)
    assert "  s0 -- 800ms --> s1" in command.mermaid(services, edges)
    whole = graph.content(services, edges, ways)
    assert whole["services"][0] == {
        "service": "shop/storefront",
        "database": None,
        "latencyBudget": "2s",
        "longestPath": ["shop/storefront", "shop/invoices", "shop/payments"],
    }
    call = {"from": "shop/invoices", "to": "shop/payments", "way": "Open", "refusal": None, "latencyBudget": "250ms"}
    assert call in whole["calls"]
