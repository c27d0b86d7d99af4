"""Fairness of the work queue among namespaces."""

from __future__ import annotations

import asyncio
from typing import Any

from freehold.core.model.resources import Key, Object
from freehold.core.objects import names
from freehold.kube import observation
from freehold.kube.cache import Cache

from tests.unit.controller.test_queue import PAYMENTS, USERS, idle, working


async def test_namespaces_take_turns() -> None:
    """A service waits for at most one reconciliation of each other namespace, however many services wait there."""
    done: list[Key] = []

    async def work(key: Key) -> None:
        done.append(key)

    flood = [Key("evil", f"s{index}") for index in range(400)]
    async with working(work, workers=1) as queue:
        for key in (*flood, USERS, Key("other", "a")):
            queue.wake(key)
        await idle()
    assert done[:4] == [flood[0], USERS, Key("other", "a"), flood[1]]


async def test_namespace_cannot_hold_all_workers() -> None:
    """A namespace whose work never ends gets half of the workers; others find a free worker at once."""
    running: list[Key] = []

    async def work(key: Key) -> None:
        running.append(key)
        await asyncio.Event().wait()

    async with working(work, workers=16) as queue:
        for index in range(400):
            queue.wake(Key("evil", f"s{index}"))
            queue.wake(Key("evil-too", f"s{index}"))
        await idle()
        assert sum(key.namespace == "evil" for key in running) <= 8
        assert len(running) < 16
        queue.wake(USERS)
        await idle()
    assert running[-1] == USERS


async def test_share_returns_when_others_are_done() -> None:
    """A lane that had its share continues when a worker of another lane becomes free."""
    gates: dict[Key, asyncio.Event] = {}

    async def work(key: Key) -> None:
        gates[key] = asyncio.Event()
        await gates[key].wait()

    async with working(work, workers=3) as queue:
        for key in (USERS, *(Key("evil", f"s{index}") for index in range(4))):
            queue.wake(key)
        await idle()
        assert [str(key) for key in gates] == ["shop/users", "evil/s0"]
        gates[USERS].set()
        await idle()
        assert list(gates)[2:] == [Key("evil", "s1")]
        for _ in range(3):
            gates[list(gates)[-1]].set()
            await idle()
    assert len(gates) == 5


async def test_waker_pays() -> None:
    """Wakes by another namespace wait in the lane of that namespace; the own lane of a service stays short."""
    done: list[Key] = []

    async def work(key: Key) -> None:
        done.append(key)

    victims = [Key("shop", f"s{index}") for index in range(50)]
    async with working(work, workers=1) as queue:
        for key in victims:
            queue.wake(key, "evil")
        queue.wake(USERS)
        queue.wake(victims[40])
        await idle()
    assert done[:4] == [victims[0], USERS, victims[1], victims[40]]
    assert len(done) == len(set(done))


async def test_move_to_a_namespace_pays_for_its_wakes() -> None:
    """A service that declares a move to another namespace wakes services there, which wait in its own lane."""
    done: list[Key] = []

    async def work(key: Key) -> None:
        done.append(key)

    async with working(work, workers=1) as queue:
        cache = Cache(queue.wake, queue.wake)
        consumers = [Key("shop", f"c{index}") for index in range(30)]
        for key in (USERS, *consumers, PAYMENTS):
            _put(cache, key, 1, consumes=[{"name": "users"}] if key in consumers else [])
        await idle()
        done.clear()
        _put(cache, Key("evil", "users"), 2, placement={"namespace": "shop"})
        _put(cache, PAYMENTS, 2)
        await idle()
    assert len(done) == len(consumers) + 3, "the counterpart and its consumers are woken"
    assert done.index(PAYMENTS) == 1


async def test_consumers_pay_for_changes_of_their_provider() -> None:
    """Changes of a provider wake consumers in the consumers' own lane; services beside the provider do not wait."""
    done: list[Key] = []

    async def work(key: Key) -> None:
        done.append(key)

    async with working(work, workers=1) as queue:
        cache = Cache(queue.wake, queue.wake)
        flood = [Key("evil", f"c{index}") for index in range(30)]
        for key in (USERS, *flood, PAYMENTS):
            _put(cache, key, 1, consumes=[{"name": "users", "namespace": "shop"}] if key in flood else [])
        await idle()
        done.clear()
        _put(cache, USERS, 2)
        cache.put_owned(_contract_of(USERS))
        _put(cache, PAYMENTS, 2)
        await idle()
    assert len(done) == len(flood) + 2
    assert done.index(PAYMENTS) <= 3


def _contract_of(key: Key) -> Object:
    labels = {"app.kubernetes.io/instance": key.name}
    name = names.contract(key.name, "0123456789")
    metadata = {"name": name, "namespace": key.namespace, "labels": labels, "uid": "c", "resourceVersion": "1"}
    return {"kind": "ConfigMap", "metadata": metadata}


def _put(cache: Cache, key: Key, version: int, **spec: Any) -> None:
    metadata = {**key._asdict(), "uid": str(key), "generation": version, "resourceVersion": str(version)}
    live = {"kind": "Microservice", "metadata": metadata, "spec": {"image": "r.example/x:1", "grpc": {}, **spec}}
    cache.put_service(live, *observation.declared(live))
