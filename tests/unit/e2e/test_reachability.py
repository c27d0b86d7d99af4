"""The reachability tables of the stories; the planned network policies open exactly the declared pairs."""

from __future__ import annotations

from typing import Any

import pytest
from freehold.core import isolation
from freehold.core.model.case import Case
from freehold.core.model.resources import Key, Object
from freehold.core.objects import meta

from tests.e2e.support.random_declarations import CHANGES, Declarations, beginning, changes
from tests.e2e.support.reachability import (
    DATABASE,
    SERVICE,
    STRANGER,
    Member,
    Pair,
    declared,
    differences,
    members,
    pairs,
    simulated,
)
from tests.unit.core.worlds import observed, peer, service
from tests.unit.netpol.worlds import NODES, namespace, pod

IMAGE = {"image": "localhost/freehold/users:dev"}
START = beginning(("north", "south", "west"))
USERS = Member("shop", "users", SERVICE, (50051, 50052, 8080))
DATABASE_OF_USERS = Member("shop", "users", DATABASE, (5432,), real=True)
PAYMENTS = Member("office", "payments", SERVICE, (50051, 50052, 8080))
OTHER_USERS = Member("office", "users", SERVICE, (50051, 50052, 8080))
NOBODY = Member("shop", STRANGER, STRANGER, (8080,))


def opened(users: Object, payments: Object, **labels: str) -> set[str]:
    """Return the pairs that two services open among five pods. The labels are those of the namespace `office`."""
    services = {USERS.key: {**IMAGE, **users}, PAYMENTS.key: {**IMAGE, **payments}, OTHER_USERS.key: {"grpc": {}}}
    everyone = [USERS, DATABASE_OF_USERS, PAYMENTS, OTHER_USERS, NOBODY]
    open_pairs = declared(Declarations({"shop": {}, "office": labels}, services), pairs(everyone, everyone))
    return {str(pair) for pair in open_pairs if pair != Pair(USERS, DATABASE_OF_USERS, 5432)}


CONSUMES = [{"name": "users", "namespace": "shop"}]
CALLS = "office/payments → shop/users:"


@pytest.mark.parametrize(
    ("case", "users", "payments", "labels", "expected"),
    [
        ("nobody consumes", {"grpc": {"consumers": {"from": "All"}}}, {}, {}, set()),
        ("no consent", {"grpc": {}}, {"consumes": CONSUMES}, {}, set()),
        ("both agree", {"grpc": {"consumers": {"from": "All"}}}, {"consumes": CONSUMES}, {}, {CALLS + "50051"}),
        (
            "one port, not another",
            {"grpc": {"port": 50052, "consumers": {"from": "All"}}, "http": {}},
            {"consumes": CONSUMES},
            {},
            {CALLS + "50052", "shop/stranger → shop/users:8080"},
        ),
        (
            "label present",
            {"grpc": {"consumers": {"from": "Selector", "selector": {"matchLabels": {"tier": "gold"}}}}},
            {"consumes": CONSUMES},
            {"tier": "gold"},
            {CALLS + "50051"},
        ),
        (
            "label absent",
            {"grpc": {"consumers": {"from": "Selector", "selector": {"matchLabels": {"tier": "gold"}}}}},
            {"consumes": CONSUMES},
            {},
            set(),
        ),
        (
            "another service of the same name",
            {"grpc": {"consumers": {"from": "All"}}},
            {"consumes": [{"name": "users"}]},
            {},
            {"office/payments → office/users:50051"},
        ),
        ("nothing to consume", {"http": {}}, {"consumes": CONSUMES}, {}, {"shop/stranger → shop/users:8080"}),
    ],
)
def test_reachability_declared(
    case: str, users: Object, payments: Object, labels: dict[str, str], expected: set[str]
) -> None:
    """Consumption and consent together open exactly the declared pairs."""
    assert opened(users, payments, **labels) == expected, case


def test_reachability_database() -> None:
    """Only the service itself reaches its database."""
    asked = pairs([USERS, PAYMENTS, OTHER_USERS, NOBODY, DATABASE_OF_USERS], [USERS, DATABASE_OF_USERS, NOBODY])
    declarations = Declarations({"shop": {}, "office": {}}, {USERS.key: {}, PAYMENTS.key: {}, OTHER_USERS.key: {}})
    assert declared(declarations, asked) == {Pair(USERS, DATABASE_OF_USERS, 5432)}


def test_reachability_differences() -> None:
    """A difference names the pair and the value of each table."""
    pair, same = Pair(NOBODY, USERS, 8080), Pair(PAYMENTS, USERS, 50051)
    said = differences(declared={pair, same}, probed={same})
    assert said == ["shop/stranger → shop/users:8080: declared open, probed shut"]


@pytest.mark.parametrize("seed", range(6))
def test_reachability_planned_policies(seed: int) -> None:
    """After every change the planned network policies open exactly the declared pairs."""
    for state in [START, *(change.after for change in changes(seed, START, CHANGES))]:
        listed = members(state)
        addresses = {member: f"10.244.{place % 2}.{place + 2}" for place, member in enumerate(listed)}
        asked = pairs(listed, listed)
        live = [*_pods(addresses), *_policies(state), *_homes(state), *_nodes()]
        assert differences(declared=declared(state, asked), planned=simulated(live, addresses, asked)) == []


def _pods(addresses: dict[Member, str]) -> list[Object]:
    return [
        {"kind": "Pod", **pod(f"{member.namespace}/pod-{address}", address, _labels(member))}
        for member, address in addresses.items()
    ]


def _labels(member: Member) -> dict[str, str]:
    return {} if member.component == STRANGER else meta.selector(member.service, member.component)


def _policies(state: Declarations) -> list[Object]:
    known = {
        key: peer(key.name, key.namespace, *_consumed(key, spec), grpc=spec.get("grpc")) for key, spec in _all(state)
    }
    labels = {home["metadata"]["name"]: home["metadata"]["labels"] for home in _homes(state)}
    seen = observed(peers=known, namespace_labels=labels)
    return [
        body
        for key, spec in _all(state)
        for body in isolation.plan(Case(service(key.name, key.namespace, **{"grpc": None, **spec}), seen)).objects
    ]


def _all(state: Declarations) -> list[tuple[Key, Any]]:
    return [(Key(*key), spec) for key, spec in state.services.items()]


def _consumed(key: Key, spec: Object) -> list[Key]:
    return [Key(entry.get("namespace", key.namespace), entry["name"]) for entry in spec.get("consumes", [])]


def _homes(state: Declarations) -> list[Object]:
    return [{"kind": "Namespace", **namespace(home, **labels)} for home, labels in state.namespaces.items()]


def _nodes() -> list[Object]:
    addresses = {name: [{"type": "InternalIP", "address": address}] for name, address in NODES.items()}
    return [
        {"kind": "Node", "metadata": {"name": name}, "status": {"addresses": listed}}
        for name, listed in addresses.items()
    ]
