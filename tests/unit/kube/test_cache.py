"""The cache: what it keeps, what it ignores, and whom it wakes."""

from __future__ import annotations

from freehold.core.model.resources import Call, CallNode, Key, Object, Ref, StorageClass
from freehold.kube.cache import Cache, Moves

USERS, PAYMENTS, STRANGER = Key("shop", "users"), Key("shop", "payments"), Key("shop", "stranger")


def microservice(key: Key, version: int = 1, *, ready: bool = False, uid: str = "a") -> Object:
    metadata = {**key._asdict(), "uid": uid, "resourceVersion": str(version)}
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {"kind": "Microservice", "metadata": metadata, "status": {"conditions": conditions}}


def owned(key: Key, version: int = 1, uid: str = "b", **body: object) -> Object:
    labels = {"app.kubernetes.io/instance": key.name}
    metadata = {"name": key.name, "namespace": key.namespace, "uid": uid, "labels": labels}
    return {"kind": "Service", "metadata": {**metadata, "resourceVersion": str(version)}, **body}


def known(*consumes: Key) -> tuple[Cache, list[Key]]:
    """A cache that knows users, stranger, and payments that consumes these; and the list of those it wakes."""
    woken: list[Key] = []
    cache = Cache(woken.append)
    cache.put_service(microservice(USERS), frozenset())
    cache.put_service(microservice(STRANGER), frozenset())
    cache.put_service(microservice(PAYMENTS), frozenset(consumes))
    woken.clear()
    return cache, woken


def test_a_service_that_changes_wakes_itself_and_both_sides() -> None:
    cache, woken = known(USERS)
    cache.put_service(microservice(USERS, 2), frozenset())
    assert woken == [USERS, PAYMENTS]
    woken.clear()
    cache.put_service(microservice(PAYMENTS, 2), frozenset({USERS}))
    assert set(woken) == {PAYMENTS, USERS}


def test_a_consumer_that_names_another_wakes_the_old_and_the_new_provider() -> None:
    cache, woken = known(USERS)
    cache.put_service(microservice(PAYMENTS, 2), frozenset({STRANGER}))
    assert set(woken) == {PAYMENTS, USERS, STRANGER}


def test_what_a_service_offers_wakes_its_consumers_and_nothing_else_of_it_does() -> None:
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


def test_a_service_that_goes_wakes_both_sides() -> None:
    cache, woken = known(USERS)
    cache.drop_service(USERS)
    assert woken == [PAYMENTS]
    woken.clear()
    cache, woken = known(USERS)
    cache.drop_service(PAYMENTS)
    assert woken == [USERS]


def test_a_service_that_comes_wakes_those_that_waited_for_it() -> None:
    late = Key("shop", "late")
    cache, woken = known(late)
    cache.put_service(microservice(late), frozenset())
    assert woken == [late, PAYMENTS]


def test_an_older_version_is_ignored_and_wakes_nobody() -> None:
    cache, woken = known()
    cache.put_owned(owned(USERS, 9, data="new"))
    woken.clear()
    cache.put_owned(owned(USERS, 8, data="old"))
    assert cache.owned[USERS][Ref("Service", "users")].unpack()["data"] == "new"
    assert woken == []


def test_an_older_version_of_a_service_is_ignored_and_wakes_nobody() -> None:
    cache, woken = known()
    cache.put_service(microservice(USERS, 9, ready=True), frozenset({PAYMENTS}))
    woken.clear()
    cache.put_service(microservice(USERS, 8), frozenset())
    assert cache.ready == {USERS} and cache.consumes[USERS] == {PAYMENTS}
    assert woken == []


def test_versions_are_compared_as_numbers() -> None:
    cache, _ = known()
    cache.put_owned(owned(USERS, 9))
    cache.put_owned(owned(USERS, 10, data="new"))
    assert cache.owned[USERS][Ref("Service", "users")].unpack()["data"] == "new"


def test_an_object_made_anew_is_taken_in_and_the_end_of_the_old_one_is_ignored() -> None:
    cache, woken = known()
    cache.put_owned(owned(USERS, 9, uid="old"))
    cache.put_owned(owned(USERS, 10, uid="new"))
    woken.clear()
    cache.drop_owned(owned(USERS, 11, uid="old"))
    assert cache.owned[USERS][Ref("Service", "users")].uid == "new"
    cache.drop_owned(owned(USERS, 12, uid="new"))
    assert Ref("Service", "users") not in cache.owned.get(USERS, {})
    assert woken == [USERS, USERS]


def test_an_object_of_no_service_wakes_what_is_left_of_one_and_no_other() -> None:
    cache, woken = known()
    gone, namesake = Key("shop", "gone"), Key("elsewhere", "users")
    cache.put_owned(owned(gone))
    cache.put_owned(owned(namesake))
    assert woken == [gone, namesake]
    woken.clear()
    cache.drop_owned(owned(gone))
    assert woken == [], "nothing is left of it"


def test_a_service_made_anew_with_a_lower_version_is_taken_in() -> None:
    cache, woken = known()
    cache.put_service(microservice(USERS, 9, uid="old"), frozenset())
    woken.clear()
    cache.put_service(microservice(USERS, 2, uid="new"), frozenset())
    assert cache.services[USERS].uid == "new"
    assert woken == [USERS]


def test_ready_services_are_counted() -> None:
    cache, _ = known()
    cache.put_service(microservice(USERS, 2, ready=True), frozenset())
    assert cache.ready == {USERS}
    cache.put_service(microservice(USERS, 3, ready=False), frozenset())
    assert cache.ready == set()


def namespace(name: str, **labels: str) -> Object:
    return {"metadata": {"name": name, "labels": labels}}


def test_labels_of_a_namespace_wake_those_in_it_and_their_providers() -> None:
    abroad = Key("accounts", "users")
    cache, woken = known(abroad)
    cache.put_service(microservice(abroad), frozenset())
    woken.clear()
    cache.put_namespace(namespace("shop", team="sales"))
    assert set(woken) == {USERS, PAYMENTS, STRANGER, abroad}
    woken.clear()
    cache.put_namespace(namespace("shop", team="sales"))
    assert woken == []


def test_a_storage_class_wakes_every_service() -> None:
    cache, woken = known()
    marked = {"storageclass.kubernetes.io/is-default-class": "true"}
    cache.put_storage_class({"metadata": {"name": "fast", "annotations": marked}, "allowVolumeExpansion": True})
    assert cache.storage_classes == {"fast": StorageClass("fast", default=True, expandable=True)}
    assert set(woken) == {USERS, PAYMENTS, STRANGER}
    cache.drop_storage_class({"metadata": {"name": "fast"}})
    assert cache.storage_classes == {}


def test_nothing_is_kept_of_an_object_that_only_the_server_cares_for() -> None:
    cache, _ = known()
    live = owned(USERS)
    live["metadata"]["managedFields"] = [{"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:spec": {}}}]
    cache.put_owned(live)
    stored = cache.owned[USERS][Ref("Service", "users")]
    assert stored.foreign
    assert "managedFields" not in stored.unpack()["metadata"]


A, B, C, D = (Key("shop", name) for name in "abcd")


def chain() -> tuple[Cache, list[Key]]:
    """A calls b, b calls c, c calls d; and stranger calls nobody."""
    woken: list[Key] = []
    cache = Cache(woken.append)
    for caller, called in ((A, B), (B, C), (C, D)):
        cache.put_service(microservice(caller), frozenset({called}), stand=CallNode(None, (Call(called),)))
    cache.put_service(microservice(D), frozenset())
    cache.put_service(microservice(STRANGER), frozenset())
    woken.clear()
    return cache, woken


def test_a_budget_that_changes_wakes_all_above_and_nobody_else() -> None:
    cache, woken = chain()
    cache.put_service(microservice(D, 2), frozenset(), stand=CallNode(250))
    assert sorted(woken) == [A, B, C, D]
    assert cache.graph[D].budget == 250
    woken.clear()
    cache.put_service(microservice(D, 3), frozenset(), stand=CallNode(250))
    assert sorted(woken) == [C, D], "nothing changed of what it promises or calls"


def test_a_call_that_comes_or_goes_wakes_all_above() -> None:
    cache, woken = chain()
    cache.put_service(microservice(C, 2), frozenset({STRANGER}), stand=CallNode(None, (Call(STRANGER),)))
    assert set(woken) == {A, B, C, D, STRANGER}
    woken.clear()
    cache.drop_service(STRANGER)
    assert set(woken) == {C, B, A} and STRANGER not in cache.graph


def test_services_that_call_each_other_in_a_circle_are_woken_once() -> None:
    cache, woken = chain()
    cache.put_service(microservice(D, 2), frozenset({A}), stand=CallNode(None, (Call(A),)))
    assert sorted(woken) == [A, B, C, D]


def test_consumers_are_those_that_name_a_service_now() -> None:
    cache, _ = chain()
    cache.put_service(microservice(A, 2), frozenset({D}))
    assert list(cache.consumers(D)) == [A, C] and list(cache.consumers(B)) == []
    cache.drop_service(C)
    assert list(cache.consumers(D)) == [A]


def test_a_move_to_another_namespace_concerns_both_sides_and_all_who_have_to_do_with_them() -> None:
    there = Key("people", "users")
    cache, woken = known(USERS)
    cache.put_service(microservice(USERS, 2), frozenset(), moves=Moves(to="people"))
    assert cache.aliases == {}
    woken.clear()
    cache.put_service(microservice(there), frozenset({STRANGER}), moves=Moves(whence="shop"))
    assert cache.aliases == {USERS: there}
    assert set(woken) == {there, USERS, PAYMENTS, STRANGER}
    assert list(cache.consumers(there)) == [PAYMENTS]
    woken.clear()
    cache.put_service(microservice(there, 2, ready=True), frozenset({STRANGER}), moves=Moves(whence="shop"))
    assert {USERS, PAYMENTS} <= set(woken)
    woken.clear()
    cache.drop_service(there)
    assert cache.aliases == {}
    assert {USERS, PAYMENTS} <= set(woken)


def test_a_service_of_another_cluster_is_known_and_never_woken() -> None:
    cache, woken = known(USERS)
    there = Key("shop@west", "users")
    cache.put_service(microservice(USERS, 2), frozenset(), moves=Moves("shop@west"))
    woken.clear()
    cache.put_service(microservice(there), frozenset(), moves=Moves("", "shop"))
    assert set(woken) == {USERS, PAYMENTS}
    assert cache.aliases == {USERS: there}
    assert there not in cache.here and there in cache.services
    woken.clear()
    cache.put_owned(owned(there))
    assert woken == [USERS]
    woken.clear()
    cache.forget_place("shop@west")
    assert USERS in woken and there not in woken
    assert not cache.aliases and there not in cache.owned


def test_where_consumers_stand_wakes_a_provider_that_is_called_in_another_cluster_and_no_other() -> None:
    cache, woken = known(USERS)
    pod = {**owned(PAYMENTS), "kind": "Pod"}
    cache.put_owned(pod)
    assert woken == [PAYMENTS]
    cache.put_service(microservice(USERS, 2), frozenset(), moves=Moves("shop@west"))
    woken.clear()
    cache.drop_owned(pod)
    assert woken == [PAYMENTS, USERS]


def test_where_a_provider_stands_in_another_cluster_wakes_its_consumers() -> None:
    cache, woken = known(USERS)
    cache.put_owned({**owned(USERS), "kind": "EndpointSlice"})
    assert woken == [USERS, PAYMENTS]
