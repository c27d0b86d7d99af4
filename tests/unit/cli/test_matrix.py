"""Who reaches what, as a person and as a program reads it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from freehold.cli.commands import matrix as command
from freehold.views import matrix
from freehold.views.snapshot import Picture

from tests.unit.cli.pictures import PROVEN_AT, isolation, live, picture, printed, storefront, users
from tests.unit.core.worlds import DATABASE, GRPC

NOW = datetime.fromisoformat(PROVEN_AT) + timedelta(seconds=40)


def shown(seen: Picture, *, across: bool = False, wide: bool = False) -> str:
    rows, proven = matrix.declared(seen), matrix.proof(seen)
    return printed(command.text(rows, proven, across=across, wide=wide, now=NOW))


PROVEN = """\
             storefront:8080   users:50051   users-database:5432   internet
storefront          –               ✓                 ·               ·
users               ·               –                 ✓               ·
(stranger)          ✓               ·                 ·               –
8 of 8 pairs as declared, proven 40 s ago by connection attempts from where each service stands"""


def test_what_is_declared_and_proven() -> None:
    assert shown(picture(storefront(**isolation(pairs=3)), users(**isolation(pairs=5)))) == PROVEN


EXPOSED = """\
                            users:50051   users-database:5432   internet
users                            –                 ✓               ·
(gateway gateways/public)        ✓                 ·               –
(stranger)                       ·                 ·               –"""


def test_a_gateway_has_a_row_of_its_own() -> None:
    expose = {"gateway": {"name": "public", "namespace": "gateways"}, "hostnames": ["users.example.com"]}
    seen = picture(live("users", status=isolation(), grpc={**GRPC, "expose": expose}, database=DATABASE))
    assert "\n".join(shown(seen).splitlines()[:4]) == EXPOSED
    content = matrix.content(matrix.declared(seen), matrix.proof(seen))
    assert {"from": "(gateway gateways/public)", "to": "users.shop.svc:50051", "declared": "Open"} in content["pairs"]
    assert list(content["internet"]) == ["shop/users"]


FOUND = {"from": "shop/storefront", "to": "users-database.shop.svc:5432", "declared": "Closed", "found": "Open"}
STRANGERS = {"from": "stranger", "to": "users.shop.svc:50051", "declared": "Closed", "found": "Open"}


DIFFERENT = """\
             storefront:8080   users:50051   users-database:5432   internet
storefront          –               ✓                 ✗               ·
users               ·               –                 ✓               ·
(stranger)          ✓               ✗                 ·               –
6 of 8 pairs as declared, proven 40 s ago by connection attempts from where each service stands
✗ shop/storefront → users-database.shop.svc:5432 is declared Closed and was found Open
✗ (stranger) → users.shop.svc:50051 is declared Closed and was found Open"""


def test_what_was_found_to_be_other_than_declared_stands_out_and_is_named() -> None:
    assert shown(picture(storefront(**isolation(FOUND)), users(**isolation(FOUND, STRANGERS)))) == DIFFERENT


def test_what_is_not_proven_says_why() -> None:
    conditions = [
        {"type": "IsolationVerified", "status": "Unknown", "reason": "Probing", "message": "the first is under way"}
    ]
    text = shown(picture(storefront(), users(conditions=conditions)))
    assert text.splitlines()[-2:] == [
        "not proven yet for storefront: no connection was tried yet",
        "not proven yet for users: the first is under way",
    ]


def test_across_namespaces_names_carry_theirs() -> None:
    consumers = {"from": "All"}
    ledger = live("ledger", "accounts", isolation(), grpc={**GRPC, "consumers": consumers})
    caller = live("users", "shop", isolation(), http={}, consumes=[{"name": "ledger", "namespace": "accounts"}])
    assert shown(picture(ledger, caller), across=True).splitlines()[:4] == [
        "                  accounts/ledger:50051   shop/users:8080   internet",
        "accounts/ledger             –                    ·             ·",
        "shop/users                  ✓                    –             ·",
        "(stranger)                  ·                    ✓             –",
    ]


EGRESS = [
    {"cidr": "203.0.113.0/24", "ports": [443, 8443]},
    {"cidr": "203.0.113.0/24", "ports": [53], "protocol": "UDP"},
]


def test_the_world_outside_is_what_a_service_names() -> None:
    seen = picture(live("users", http={}, egress=EGRESS))
    assert [line.split()[-1] for line in shown(seen).splitlines()[:3]] == ["internet", "203.0.113.0/24", "–"]
    assert "203.0.113.0/24 TCP 443,8443; 203.0.113.0/24 UDP 53" in shown(seen, wide=True)
    content = matrix.content(matrix.declared(seen), matrix.proof(seen))
    assert content["internet"] == {"shop/users": [{"protocol": "TCP", **EGRESS[0]}, EGRESS[1]]}


def test_wide_shows_addresses_and_when_each_was_proven() -> None:
    assert shown(picture(users(**isolation())), wide=True).splitlines()[:3] == [
        "             users.shop.svc:50051   users-database.shop.svc:5432   internet   PROVEN",
        "users                 –                          ✓                    ·       2026-01-02T03:04:05Z",
        "(stranger)            ·                          ·                    –",
    ]


def test_a_consent_that_cannot_be_judged_is_a_question() -> None:
    selector = {"from": "Selector", "selector": {"matchLabels": {"team": "sales"}}}
    seen = picture(live("users", grpc={**GRPC, "consumers": selector}), storefront())
    blind = Picture(seen.services, seen.live, {})
    assert shown(blind).splitlines()[2].split() == ["storefront", "?", "–", "·"]
    assert command.admits_others(seen) == ["users"]


def test_a_program_reads_the_words_of_the_status() -> None:
    seen = picture(storefront(**isolation(FOUND)), users())
    content = matrix.content(matrix.declared(seen), matrix.proof(seen))
    assert FOUND in content["pairs"]
    assert {"from": "(stranger)", "to": "storefront.shop.svc:8080", "declared": "Open"} in content["pairs"]
    assert not [pair for pair in content["pairs"] if (pair["from"], pair["to"][:6]) == ("shop/users", "users.")]
    assert content["proof"] == {
        "pairs": 4,
        "verifiedAt": {"shop/storefront": PROVEN_AT},
        "differences": [FOUND],
        "notProven": {"shop/users": "no connection was tried yet"},
    }


GREEN = "\x1b[32m"


def test_colour_is_for_terminals_and_those_who_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b" not in shown(picture(users())), "into a pipe"
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert GREEN in shown(picture(users()))
    monkeypatch.setenv("NO_COLOR", "1")
    assert GREEN not in shown(picture(users()))


def test_the_oldest_proof_is_the_one_told() -> None:
    old = isolation()
    old["isolation"]["verifiedAt"] = (
        (datetime.fromisoformat(PROVEN_AT) - timedelta(hours=3)).astimezone(UTC).isoformat()
    )
    assert "proven 3 h ago" in shown(picture(storefront(**isolation()), users(**old)))
