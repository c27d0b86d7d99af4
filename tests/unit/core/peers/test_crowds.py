"""The work for providers with very many consumers."""

from __future__ import annotations

import pytest
from freehold.core.model.case import Case
from freehold.core.model.resources import Key, Peer
from freehold.core.peers import consent
from freehold.kube.relations import Relations

from tests.unit.core.worlds import observed, peer, peers, service

USERS = Key("accounts", "users")
CROWD = frozenset(Key("evil", f"c{number:04}") for number in range(3000))


def test_consent_is_judged_once_a_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    """The consent for a crowd of consumers is judged once for each namespace, however often a look asks."""
    judged: list[str] = []
    admits = consent.admits

    def counted(provider: Peer, namespace: str, labels: dict[str, dict[str, str]]) -> bool:
        judged.append(namespace)
        return admits(provider, namespace, labels)

    caller = service("c0000", "evil", consumes=[{"name": "users", "namespace": "accounts"}])
    provider = peer("users", "accounts", grpc={"consumers": {"from": "All"}})
    case = Case(caller, observed(peers=peers(provider), crowds={USERS: CROWD}))
    monkeypatch.setattr(consent, "admits", counted)
    for _ in range(10):
        assert consent.refusal(case, caller.spec.consumes[0]) is None
    assert len(judged) <= 11


def test_crowd_is_kept_until_it_changes() -> None:
    """The consumers of a crowded provider are collected once, and again after a change."""
    relations = Relations()
    for key in CROWD:
        relations.set_consumed(key, frozenset({USERS}))
    crowd = relations.crowds([USERS])[USERS]
    assert crowd == CROWD
    assert relations.crowds([USERS])[USERS] is crowd
    first = min(CROWD)
    relations.set_consumed(first, frozenset())
    assert relations.crowds([USERS])[USERS] == CROWD - {first}
    relations.set_consumed(first, frozenset({USERS}))
    assert relations.crowds([USERS])[USERS] == CROWD
