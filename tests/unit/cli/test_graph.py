"""Who stands on what, as a tree and as the languages that draw it."""

from __future__ import annotations

from freehold.cli import graph
from freehold.core.model import Key

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
    assert printed(graph.tree(SERVICES, EDGES, across=False)) == TREE


def test_graphviz() -> None:
    lines = list(graph.dot(SERVICES, EDGES))
    assert '  "shop/users" -> "shop/users-database" [arrowhead=none]' in lines
    assert '  "shop/payments" -> "shop/users"' in lines
    assert '  "shop/payments" -> "shop/gone" [style=dashed, color=red, label="does not exist"]' in lines


def test_mermaid() -> None:
    assert list(graph.mermaid(SERVICES[1:], [])) == [
        "flowchart LR",
        '  s0["shop/quiet"]',
        '  s1["shop/users"]',
        '  s1 --- s1d[("shop/users-database")]',
    ]
    lines = list(graph.mermaid(SERVICES, EDGES))
    assert "  s0 --> s2" in lines
    assert '  s0 -. "does not exist" .-> s3' in lines and '  s3["shop/gone"]' in lines
