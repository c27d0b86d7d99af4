"""The cache: stored objects, ignored versions and woken services."""

from __future__ import annotations

from freehold.core.model.resources import Key, Object, Ref, StorageClass
from freehold.kube.dropped import MOST

from tests.unit.kube.caches import OTHER, PAYMENTS, USERS, known, microservice, owned


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


def test_written_after_its_deletion() -> None:
    """The answer to a write brings no object back whose deletion is known, and a usable one again and again."""
    cache, _ = known(USERS)
    live, other = microservice(USERS, 2), owned(USERS)

    def put_service(written: Object) -> None:
        cache.put_service(written, frozenset())

    cache.put_owned(other)
    cache.drop_service(USERS)
    cache.drop_owned(other)
    cache.dropped.put_written(live, put_service)
    cache.dropped.put_written(other, cache.put_owned)
    assert USERS not in cache.services and USERS not in cache.owned

    put_service(live)  # a watch drops an object that cannot be used, and delivers the object once it can be used
    cache.put_owned(other)
    cache.dropped.put_written(microservice(USERS, 3), put_service)
    assert cache.services[USERS].version == 3 and USERS in cache.owned


def test_dropped_objects_bounded() -> None:
    """Only the objects dropped last are known."""
    cache, _ = known(USERS)
    for number in range(MOST + 1):
        cache.dropped.add(str(number))
    put: list[Object] = []
    for uid in ("0", "1", str(MOST)):
        cache.dropped.put_written({"metadata": {"uid": uid}}, put.append)
    assert put == [{"metadata": {"uid": "0"}}]


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
