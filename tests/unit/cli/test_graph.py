"""Command `graph`: as a tree and in drawing languages."""

from __future__ import annotations

from freehold.cli.commands import graph as command
from freehold.core.model.resources import Key
from freehold.views import graph

from tests.unit.cli.samples import live, printed, snapshot, users
from tests.unit.core.worlds import GRPC

CONSUMES = [
    {"name": "users"},
    {"name": "gone"},
    {"name": "quiet"},
    {"name": "ledger", "namespace": "accounts"},
    {"name": "vault", "namespace": "secret"},
]
KNOWN = snapshot(
    live("payments", grpc=GRPC, consumes=CONSUMES),
    live("quiet", http={}),
    users(),
    live("ledger", "accounts", grpc=GRPC),
)
SERVICES = [KNOWN.services[Key("shop", name)] for name in ("payments", "quiet", "users")]
PATHS = graph.longest_paths(SERVICES, KNOWN)
EDGES = [edge for service in SERVICES for edge in graph.edges(service, KNOWN, frozenset({"secret"}))]


TREE = """\
payments
├── consumes users
├── ✗ consumes gone: does not exist
├── ✗ consumes quiet: declares no spec.grpc
├── ✗ consumes accounts/ledger: ledger in namespace accounts admits no consumers from namespace shop; its owner can \
add shop under spec.grpc.consumers
└── ? consumes secret/vault: no right to read namespace secret
quiet
users
└── database users-database (postgresql 15)"""


def test_graph_tree() -> None:
    """The tree shows databases, providers, and the reasons of refused calls."""
    assert printed(command.tree(SERVICES, EDGES, PATHS, namespaces=False)) == TREE


def test_graph_dot() -> None:
    """Graphviz draws databases as cylinders and refused calls dashed."""
    lines = list(command.dot(SERVICES, EDGES))
    assert '  "shop/users" -> "shop/users-database" [arrowhead=none]' in lines
    assert '  "shop/payments" -> "shop/users"' in lines
    assert '  "shop/payments" -> "shop/gone" [style=dashed, color=red, label="does not exist"]' in lines


def test_graph_mermaid() -> None:
    """Mermaid numbers nodes and draws refused calls dotted."""
    assert list(command.mermaid(SERVICES[1:], [])) == [
        "flowchart LR",
        '  s0["shop/quiet"]',
        '  s1["shop/users"]',
        '  s1 --- s1d[("shop/users-database")]',
    ]
    lines = list(command.mermaid(SERVICES, EDGES))
    assert "  s0 --> s2" in lines
    assert '  s0 -. "does not exist" .-> s3' in lines and '  s3["shop/gone"]' in lines


BUDGETED = snapshot(
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


def test_graph_latency_budgets() -> None:
    """Services and calls show their latency budgets, and services their longest path."""
    services = list(BUDGETED.services.values())
    edges = [edge for service in services for edge in graph.edges(service, BUDGETED, frozenset())]
    paths = graph.longest_paths(services, BUDGETED)
    assert printed(command.tree(services, edges, paths, namespaces=False)) == WITHIN
    assert '  "shop/storefront" -> "shop/invoices" [label="800ms"]' in command.dot(services, edges)
    assert "  s0 -- 800ms --> s1" in command.mermaid(services, edges)
    document = graph.content(services, edges, paths)
    assert document["services"][0] == {
        "service": "shop/storefront",
        "database": None,
        "latencyBudget": "2s",
        "longestPath": ["shop/storefront", "shop/invoices", "shop/payments"],
    }
    call = {
        "from": "shop/invoices",
        "to": "shop/payments",
        "verdict": "Open",
        "refusal": None,
        "latencyBudget": "250ms",
    }
    assert call in document["calls"]
