"""Command `matrix`: as text and as a document."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from freehold.cli.commands import matrix as command
from freehold.views import matrix
from freehold.views.snapshot import Snapshot

from tests.unit.cli.samples import VERIFIED_AT, isolation, live, printed, snapshot, storefront, users
from tests.unit.core.worlds import DATABASE, GRPC

NOW = datetime.fromisoformat(VERIFIED_AT) + timedelta(seconds=40)


def text(seen: Snapshot, *, namespaces: bool = False, wide: bool = False) -> str:
    """The printed matrix."""
    rows, verified = matrix.rows(seen), matrix.verification(seen)
    return printed(command.text(rows, verified, namespaces=namespaces, wide=wide, now=NOW))


VERIFIED = """\
              storefront:8080   users:50051   users-database:5432   internet
storefront           –               ✓                 ·               ·
users                ·               –                 ✓               ·
(unmanaged)          ✓               ·                 ·               –
8 of 8 pairs as declared, verified 40 s ago by connection attempts from each service's pods"""


def test_matrix_declared_and_verified() -> None:
    """Below the table, the number of verified pairs and their age."""
    assert text(snapshot(storefront(**isolation(pairs=3)), users(**isolation(pairs=5)))) == VERIFIED


EXPOSED = """\
                            users:50051   users-database:5432   internet
users                            –                 ✓               ·
(gateway gateways/public)        ✓                 ·               –
(unmanaged)                      ·                 ·               –"""


def test_matrix_gateway_row() -> None:
    """A Gateway that exposes a service has its own row."""
    expose = {"gateway": {"name": "public", "namespace": "gateways"}, "hostnames": ["users.example.com"]}
    seen = snapshot(live("users", status=isolation(), grpc={**GRPC, "expose": expose}, database=DATABASE))
    assert "\n".join(text(seen).splitlines()[:4]) == EXPOSED
    content = matrix.content(matrix.rows(seen), matrix.verification(seen))
    assert {"from": "(gateway gateways/public)", "to": "users.shop.svc:50051", "declared": "Open"} in content["pairs"]
    assert list(content["internet"]) == ["shop/users"]


FOUND = {"from": "shop/storefront", "to": "users-database.shop.svc:5432", "declared": "Closed", "found": "Open"}
UNMANAGED = {"from": "stranger", "to": "users.shop.svc:50051", "declared": "Closed", "found": "Open"}


MISMATCH = """\
              storefront:8080   users:50051   users-database:5432   internet
storefront           –               ✓                 ✗               ·
users                ·               –                 ✓               ·
(unmanaged)          ✓               ✗                 ·               –
6 of 8 pairs as declared, verified 40 s ago by connection attempts from each service's pods
✗ shop/storefront → users-database.shop.svc:5432: declared Closed, found Open
✗ (unmanaged) → users.shop.svc:50051: declared Closed, found Open"""


def test_matrix_mismatch_marked_and_named() -> None:
    """A verdict other than declared is marked in the table and named below."""
    assert text(snapshot(storefront(**isolation(FOUND)), users(**isolation(FOUND, UNMANAGED)))) == MISMATCH


def test_matrix_unverified_reason() -> None:
    """Services without verification are named with the reason."""
    conditions = [
        {"type": "IsolationVerified", "status": "Unknown", "reason": "Probing", "message": "the first is under way"}
    ]
    output = text(snapshot(storefront(), users(conditions=conditions)))
    assert output.splitlines()[-2:] == [
        "not verified yet: storefront: no connection attempt yet",
        "not verified yet: users: the first is under way",
    ]


def test_matrix_all_namespaces() -> None:
    """With several namespaces, names include their namespace."""
    consumers = {"from": "All"}
    ledger = live("ledger", "accounts", isolation(), grpc={**GRPC, "consumers": consumers})
    caller = live("users", "shop", isolation(), http={}, consumes=[{"name": "ledger", "namespace": "accounts"}])
    assert text(snapshot(ledger, caller), namespaces=True).splitlines()[:4] == [
        "                  accounts/ledger:50051   shop/users:8080   internet",
        "accounts/ledger             –                    ·             ·",
        "shop/users                  ✓                    –             ·",
        "(unmanaged)                 ·                    ✓             –",
    ]


EGRESS = [
    {"cidr": "203.0.113.0/24", "ports": [443, 8443]},
    {"cidr": "203.0.113.0/24", "ports": [53], "protocol": "UDP"},
]


def test_matrix_internet_column() -> None:
    """The column `internet` shows the addresses in spec.egress."""
    seen = snapshot(live("users", http={}, egress=EGRESS))
    assert [line.split()[-1] for line in text(seen).splitlines()[:3]] == ["internet", "203.0.113.0/24", "–"]
    assert "203.0.113.0/24 TCP 443,8443; 203.0.113.0/24 UDP 53" in text(seen, wide=True)
    content = matrix.content(matrix.rows(seen), matrix.verification(seen))
    assert content["internet"] == {"shop/users": [{"protocol": "TCP", **EGRESS[0]}, EGRESS[1]]}


def test_matrix_wide() -> None:
    """Wide output shows addresses and times of verification."""
    assert text(snapshot(users(**isolation())), wide=True).splitlines()[:3] == [
        "              users.shop.svc:50051   users-database.shop.svc:5432   internet   VERIFIED",
        "users                  –                          ✓                    ·       2026-01-02T03:04:05Z",
        "(unmanaged)            ·                          ·                    –",
    ]


def test_matrix_unknown_consent() -> None:
    """Without the labels of namespaces, consent by selector is unknown."""
    selector = {"from": "Selector", "selector": {"matchLabels": {"team": "sales"}}}
    seen = snapshot(live("users", grpc={**GRPC, "consumers": selector}), storefront())
    blind = Snapshot(seen.services, seen.live, {})
    assert text(blind).splitlines()[2].split() == ["storefront", "?", "–", "·"]
    assert command.admits_other_namespaces(seen) == ["users"]


def test_matrix_document() -> None:
    """The document has the words of the status."""
    seen = snapshot(storefront(**isolation(FOUND)), users())
    content = matrix.content(matrix.rows(seen), matrix.verification(seen))
    assert FOUND in content["pairs"]
    assert {"from": "(unmanaged)", "to": "storefront.shop.svc:8080", "declared": "Open"} in content["pairs"]
    assert not [pair for pair in content["pairs"] if (pair["from"], pair["to"][:6]) == ("shop/users", "users.")]
    assert content["verification"] == {
        "pairs": 4,
        "verifiedAt": {"shop/storefront": VERIFIED_AT},
        "differences": [FOUND],
        "notVerified": {"shop/users": "no connection attempt yet"},
    }


GREEN = "\x1b[32m"


def test_colour_only_on_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Colour is used on a terminal or with FORCE_COLOR, and never with NO_COLOR."""
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b" not in text(snapshot(users())), "into a pipe"
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert GREEN in text(snapshot(users()))
    monkeypatch.setenv("NO_COLOR", "1")
    assert GREEN not in text(snapshot(users()))


def test_matrix_age_of_oldest_verification() -> None:
    """The age below the table is the age of the oldest verification."""
    old = isolation()
    old["isolation"]["verifiedAt"] = (
        (datetime.fromisoformat(VERIFIED_AT) - timedelta(hours=3)).astimezone(UTC).isoformat()
    )
    assert "verified 3 h ago" in text(snapshot(storefront(**isolation()), users(**old)))
