"""The cache: stored objects, ignored versions and woken services."""

from __future__ import annotations

from freehold.core.model.resources import Call, CallNode, Key, Object, Ref, StorageClass
from freehold.kube.cache import Cache
from freehold.kube.relations import Moves

USERS, PAYMENTS, OTHER = Key("shop", "users"), Key("shop", "payments"), Key("shop", "other")


def microservice(key: Key, version: int = 1, *, ready: bool = False, uid: str = "a") -> Object:
    metadata = {**key._asdict(), "uid": uid, "resourceVersion": str(version)}
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {"kind": "Microservice", "metadata": metadata, "status": {"conditions": conditions}}


def owned(key: Key, version: int = 1, uid: str = "b", **body: object) -> Object:
    labels = {"app.kubernetes.io/instance": key.name}
    metadata = {"name": key.name, "namespace": key.namespace, "uid": uid, "labels": labels}
    return {"kind": "Service", "metadata": {**metadata, "resourceVersion": str(version)}, **body}


def known(*consumes: Key) -> tuple[Cache, list[Key]]:
    """Return a cache in which payments consumes the given services; and the list of woken services."""
    woken: list[Key] = []
    cache = Cache(woken.append)
    cache.put_service(microservice(USERS), frozenset())
    cache.put_service(microservice(OTHER), frozenset())
    cache.put_service(microservice(PAYMENTS), frozenset(consumes))
    woken.clear()
    return cache, woken


def test_changed_service_wakes_both_sides() -> None:
    """A changed service wakes itself, the providers and the consumers."""
    cache, woken = known(USERS)
    cache.put_service(microservice(USERS, 2), frozenset())
    assert woken == [USERS, PAYMENTS]
    woken.clear()
    cache.put_service(microservice(PAYMENTS, 2), frozenset({USERS}))
    assert set(woken) == {PAYMENTS, USERS}


def test_changed_provider_wakes_old_and_new() -> None:
    """A consumer with another provider wakes both providers."""
    cache, woken = known(USERS)
    cache.put_service(microservice(PAYMENTS, 2), frozenset({OTHER}))
    assert set(woken) == {PAYMENTS, USERS, OTHER}


def test_contract_wakes_consumers() -> None:
    """Of a provider's objects, only the contract wakes consumers."""
    cache, woken = known(USERS)
    contract = owned(USERS)
    contract["kind"], contract["metadata"]["name"] = "ConfigMap", "users-contract-0123456789"
    cache.put_owned(contract)
    assert woken == [USERS, PAYMENTS]
    woken.clear()
    cache.drop_owned(contract)
    assert woken == [USERS, PAYMENTS]
    woken.clear()
    cache.put_owned(owned(USERS))
    assert woken == [USERS]


def test_dropped_service_wakes_both_sides() -> None:
    """A deleted service wakes providers and consumers."""
    cache, woken = known(USERS)
    cache.drop_service(USERS)
    assert woken == [PAYMENTS]
    woken.clear()
    cache, woken = known(USERS)
    cache.drop_service(PAYMENTS)
    assert woken == [USERS]


def test_new_service_wakes_waiting_consumers() -> None:
    """A new service wakes the consumers that name it already."""
    late = Key("shop", "late")
    cache, woken = known(late)
    cache.put_service(microservice(late), frozenset())
    assert woken == [late, PAYMENTS]


def test_older_object_ignored() -> None:
    """An older version of an object is ignored and wakes no service."""
    cache, woken = known()
    cache.put_owned(owned(USERS, 9, data="new"))
    woken.clear()
    cache.put_owned(owned(USERS, 8, data="old"))
    assert cache.owned[USERS][Ref("Service", "users")].unpack()["data"] == "new"
    assert woken == []


def test_older_service_ignored() -> None:
    """An older version of a service is ignored and wakes no service."""
    cache, woken = known()
    cache.put_service(microservice(USERS, 9, ready=True), frozenset({PAYMENTS}))
    woken.clear()
    cache.put_service(microservice(USERS, 8), frozenset())
    assert cache.ready == {USERS} and cache.consumes[USERS] == {PAYMENTS}
    assert woken == []


def test_versions_compared_as_numbers() -> None:
    """Resource versions are compared as numbers, not as strings."""
    cache, _ = known()
    cache.put_owned(owned(USERS, 9))
    cache.put_owned(owned(USERS, 10, data="new"))
    assert cache.owned[USERS][Ref("Service", "users")].unpack()["data"] == "new"


def test_recreated_object_stored() -> None:
    """A recreated object is stored, and the deletion of the old one is ignored."""
    cache, woken = known()
    cache.put_owned(owned(USERS, 9, uid="old"))
    cache.put_owned(owned(USERS, 10, uid="new"))
    woken.clear()
    cache.drop_owned(owned(USERS, 11, uid="old"))
    assert cache.owned[USERS][Ref("Service", "users")].uid == "new"
    cache.drop_owned(owned(USERS, 12, uid="new"))
    assert Ref("Service", "users") not in cache.owned.get(USERS, {})
    assert woken == [USERS, USERS]


def test_orphan_wakes_its_service_only() -> None:
    """An object of a deleted service wakes that service while objects are left."""
    cache, woken = known()
    gone, namesake = Key("shop", "gone"), Key("elsewhere", "users")
    cache.put_owned(owned(gone))
    cache.put_owned(owned(namesake))
    assert woken == [gone, namesake]
    woken.clear()
    cache.drop_owned(owned(gone))
    assert woken == [], "no object is left"


def test_recreated_service_stored() -> None:
    """A recreated service is stored, even with a lower version."""
    cache, woken = known()
    cache.put_service(microservice(USERS, 9, uid="old"), frozenset())
    woken.clear()
    cache.put_service(microservice(USERS, 2, uid="new"), frozenset())
    assert cache.services[USERS].uid == "new"
    assert woken == [USERS]


def test_ready_services_known() -> None:
    """The cache knows which services are Ready."""
    cache, _ = known()
    cache.put_service(microservice(USERS, 2, ready=True), frozenset())
    assert cache.ready == {USERS}
    cache.put_service(microservice(USERS, 3, ready=False), frozenset())
    assert cache.ready == set()


def namespace(name: str, **labels: str) -> Object:
    return {"metadata": {"name": name, "labels": labels}}


def test_namespace_labels_wake_services_and_providers() -> None:
    """Changed labels of a namespace wake its services and their providers."""
    provider = Key("accounts", "users")
    cache, woken = known(provider)
    cache.put_service(microservice(provider), frozenset())
    woken.clear()
    cache.put_namespace(namespace("shop", team="sales"))
    assert set(woken) == {USERS, PAYMENTS, OTHER, provider}
    woken.clear()
    cache.put_namespace(namespace("shop", team="sales"))
    assert woken == []


def test_storage_class_wakes_all() -> None:
    """A storage class wakes every service."""
    cache, woken = known()
    marked = {"storageclass.kubernetes.io/is-default-class": "true"}
    cache.put_storage_class({"metadata": {"name": "fast", "annotations": marked}, "allowVolumeExpansion": True})
    assert cache.storage_classes == {"fast": StorageClass("fast", default=True, expandable=True)}
    assert set(woken) == {USERS, PAYMENTS, OTHER}
    cache.drop_storage_class({"metadata": {"name": "fast"}})
    assert cache.storage_classes == {}


def test_managed_fields_not_stored() -> None:
    """managedFields are not stored; whether others own fields is."""
    cache, _ = known()
    live = owned(USERS)
    live["metadata"]["managedFields"] = [{"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:spec": {}}}]
    cache.put_owned(live)
    stored = cache.owned[USERS][Ref("Service", "users")]
    assert stored.foreign
    assert "managedFields" not in stored.unpack()["metadata"]


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
