"""Relations between services: consumers, call graph and moves, and the services that a change wakes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from freehold.core.model.resources import Call, CallNode, Key
from freehold.kube.cache import Cache
from freehold.kube.relations import MOST_CALLS, Moves, Relations

from tests.unit.kube.caches import OTHER, PAYMENTS, USERS, known, microservice, owned

A, B, C, D = (Key("shop", name) for name in "abcd")


def chain() -> tuple[Cache, list[Key]]:
    """Return a cache in which a calls b, b calls c and c calls d; and the list of woken services."""
    woken: list[Key] = []
    cache = Cache(woken.append)
    for caller, called in ((A, B), (B, C), (C, D)):
        cache.put_service(microservice(caller), frozenset({called}), node=CallNode(None, (Call(called),)))
    cache.put_service(microservice(D), frozenset())
    cache.put_service(microservice(OTHER), frozenset())
    woken.clear()
    return cache, woken


def test_budget_wakes_transitive_consumers() -> None:
    """A changed latency budget wakes all transitive consumers and no other service."""
    cache, woken = chain()
    cache.put_service(microservice(D, 2), frozenset(), node=CallNode(250))
    assert sorted(woken) == [A, B, C, D]
    assert cache.graph[D].budget == 250
    woken.clear()
    cache.put_service(microservice(D, 3), frozenset(), node=CallNode(250))
    assert sorted(woken) == [C, D], "budget and calls are unchanged"


def test_call_wakes_transitive_consumers() -> None:
    """An added or removed call wakes all transitive consumers."""
    cache, woken = chain()
    cache.put_service(microservice(C, 2), frozenset({OTHER}), node=CallNode(None, (Call(OTHER),)))
    assert set(woken) == {A, B, C, D, OTHER}
    woken.clear()
    cache.drop_service(OTHER)
    assert set(woken) == {C, B, A} and OTHER not in cache.graph


def test_call_cycle_woken_once() -> None:
    """Services in a call cycle are woken once."""
    cache, woken = chain()
    cache.put_service(microservice(D, 2), frozenset({A}), node=CallNode(None, (Call(A),)))
    assert sorted(woken) == [A, B, C, D]


def test_consumers_follow_declarations() -> None:
    """The consumers of a service follow the current declarations."""
    cache, _ = chain()
    cache.put_service(microservice(A, 2), frozenset({D}))
    assert list(cache.consumers(D)) == [A, C] and list(cache.consumers(B)) == []
    cache.drop_service(C)
    assert list(cache.consumers(D)) == [A]


def test_move_wakes_counterparts_and_callers() -> None:
    """A move between namespaces wakes both counterparts with providers and consumers."""
    moved = Key("people", "users")
    cache, woken = known(USERS)
    cache.put_service(microservice(USERS, 2), frozenset(), moves=Moves(destination="people"))
    assert cache.aliases == {}
    woken.clear()
    cache.put_service(microservice(moved), frozenset({OTHER}), moves=Moves(origin="shop"))
    assert cache.aliases == {USERS: moved}
    assert set(woken) == {moved, USERS, PAYMENTS, OTHER}
    assert list(cache.consumers(moved)) == [PAYMENTS]
    woken.clear()
    cache.put_service(microservice(moved, 2, ready=True), frozenset({OTHER}), moves=Moves(origin="shop"))
    assert {USERS, PAYMENTS} <= set(woken)
    woken.clear()
    cache.drop_service(moved)
    assert cache.aliases == {}
    assert {USERS, PAYMENTS} <= set(woken)


def test_remote_service_never_woken() -> None:
    """A service of a remote cluster is stored and never woken."""
    cache, woken = known(USERS)
    moved = Key("shop@west", "users")
    cache.put_service(microservice(USERS, 2), frozenset(), moves=Moves("shop@west"))
    woken.clear()
    cache.put_service(microservice(moved), frozenset(), moves=Moves("", "shop"))
    assert set(woken) == {USERS, PAYMENTS}
    assert cache.aliases == {USERS: moved}
    assert moved not in cache.local_services and moved in cache.services
    woken.clear()
    cache.put_owned(owned(moved))
    assert woken == [USERS]
    woken.clear()
    cache.forget_namespace("shop@west")
    assert USERS in woken and moved not in woken
    assert not cache.aliases and moved not in cache.owned


def test_consumer_pod_wakes_remote_provider_only() -> None:
    """A consumer's pod wakes a provider that moves to another cluster, and no other."""
    cache, woken = known(USERS)
    pod = {**owned(PAYMENTS), "kind": "Pod"}
    cache.put_owned(pod)
    assert woken == [PAYMENTS]
    cache.put_service(microservice(USERS, 2), frozenset(), moves=Moves("shop@west"))
    woken.clear()
    cache.drop_owned(pod)
    assert woken == [PAYMENTS, USERS]


def test_remote_endpoint_wakes_consumers() -> None:
    """A provider's remote endpoints wake the consumers."""
    cache, woken = known(USERS)
    cache.put_owned({**owned(USERS), "kind": "EndpointSlice"})
    assert woken == [USERS, PAYMENTS]


def test_walk_to_transitive_consumers_is_bounded() -> None:
    """A change wakes all direct consumers, and follows a bounded number of calls from them, however many there are."""
    relations, services = Relations(), [Key("evil", f"s{index}") for index in range(400)]
    for index, key in enumerate(services):
        relations.set_consumed(key, frozenset(services[(index + step) % 400] for step in range(1, 33)))
    followed, consumers = 0, relations.consumers

    def counted(provider: Key, known: Mapping[Key, Key] | None = None) -> Iterator[Key]:
        nonlocal followed
        found = list(consumers(provider, known))
        followed += len(found)
        return iter(found)

    relations.consumers = counted  # type: ignore[method-assign]
    woken = relations.transitive_consumers(services[0])
    assert followed <= MOST_CALLS + 32
    assert {*consumers(services[0])} < {*woken}
