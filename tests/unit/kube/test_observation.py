"""Observations of a service from stored objects."""

from __future__ import annotations

import pytest
from freehold.api.v1alpha1.database import Database, Storage
from freehold.core import engines
from freehold.core.contracts import published
from freehold.core.model.findings import Findings
from freehold.core.model.resources import Call, CallNode, Key, Object, Peer, Platform, Ref
from freehold.kube import observation, peers
from freehold.kube.cache import Cache

from tests import offered
from tests.unit.core.worlds import AUTHORITY, IMAGE, NOW

USERS = Key("shop", "users")
INPUTS = observation.Inputs(Platform(), AUTHORITY, {"shop"}, Findings())


def microservice(key: Key = USERS, uid: str = "now", **spec: object) -> Object:
    metadata = {**key._asdict(), "uid": uid, "generation": 3, "resourceVersion": "1"}
    return {"kind": "Microservice", "metadata": metadata, "spec": {"image": IMAGE, "grpc": {}, **spec}}


def owned(kind: str, *, by: str | None = "now", **metadata: object) -> Object:
    """Return an object of users, controlled by the Microservice with the uid `by`."""
    owner = {"kind": "Microservice", "name": "users", "uid": by, "controller": True}
    whole = {"name": "users", "namespace": "shop", "uid": f"{kind}-{by}", "resourceVersion": "1", **metadata}
    labels = {"app.kubernetes.io/instance": "users"}
    return {"kind": kind, "metadata": {**whole, "labels": labels, "ownerReferences": [owner] if by else []}}


def cache_with(*objects: Object) -> Cache:
    cache = Cache(lambda _: None)
    for live in objects:
        if live["kind"] == "Microservice":
            cache.put_service(live, *observation.declared(live))
        else:
            cache.put_owned(live)
    return cache


def observed(*objects: Object) -> set[Ref]:
    cache = cache_with(microservice(), *objects)
    return set(observation.observe(cache, observation.parse(microservice()), INPUTS, {}, NOW).objects)


DELETED_AT = "2026-01-02T03:04:05Z"


@pytest.mark.parametrize(
    ("says", "live", "expected"),
    [
        ("an owned object", owned("Service"), True),
        ("an object without an owner, such as kept data", owned("Secret", by=None), True),
        ("an object being deleted", owned("Service", deletionTimestamp=DELETED_AT), False),
        ("an object of a former resource of the same name", owned("Service", by="former"), False),
        ("a volume being deleted", owned("PersistentVolumeClaim", deletionTimestamp=DELETED_AT), True),
        ("credentials of a former resource", owned("Secret", by="former"), True),
    ],
)
def test_objects_observed(says: str, live: Object, expected: bool) -> None:
    """Objects on their way out are not observed, except data."""
    assert (Ref(live["kind"], "users") in observed(live)) is expected, says


def test_resource_parsed() -> None:
    """A resource is parsed with defaults, and its consumed services are known."""
    service = observation.parse(microservice(consumes=[{"name": "payments", "namespace": "bank"}]))
    assert (service.key, service.uid, service.generation) == (USERS, "now", 3)
    assert service.spec.grpc is not None and service.spec.grpc.port == 50051
    assert observation.declared(microservice(consumes=[{"name": "payments"}])).consumes == {Key("shop", "payments")}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"image": None}, "spec.image"),
        ({"replicas": "many"}, "spec.replicas"),
        ({"database": {"engine": "oracle", "storage": {"size": "1Gi"}}}, "spec.database.engine"),
        ({"grpc": {"port": 80}}, "spec.grpc.port"),
    ],
)
def test_invalid_resource_names_field(spec: Object, words: str) -> None:
    """An invalid resource is refused with the path of the field, and declares nothing."""
    with pytest.raises(observation.InvalidResource, match=words):
        observation.parse(microservice(**spec))
    assert observation.declared(microservice(**spec)).consumes == frozenset()


def test_peers_are_providers_and_consumers() -> None:
    """The peers of a service are its providers and consumers only."""
    provider, caller, unrelated = Key("accounts", "people"), Key("shop", "payments"), Key("shop", "unrelated")
    mine = microservice(consumes=[{"name": "people", "namespace": "accounts"}])
    others = [microservice(provider), microservice(caller, consumes=[{"name": "users"}]), microservice(unrelated)]
    cache = cache_with(mine, *others)
    assert set(observation.observe(cache, observation.parse(mine), INPUTS, {}, NOW).peers) == {provider, caller}


def test_peers_of_a_crowded_provider() -> None:
    """Of more than 1000 consumers a share of each admitted namespace is observed, and both sides know the crowd."""
    mine = microservice(grpc={"consumers": {"from": "All"}})
    consumes = [{"name": "users", "namespace": "shop"}]
    hostile = [microservice(Key("evil", f"c{number:04}"), consumes=consumes) for number in range(1100)]
    fair = microservice(Key("accounts", "fair"), consumes=consumes)
    cache = cache_with(mine, fair, *hostile)
    seen = observation.observe(cache, observation.parse(mine), INPUTS, {}, NOW)
    assert len(seen.peers) == 1000
    assert Key("accounts", "fair") in seen.peers
    assert len(seen.crowds[USERS]) == 1101
    closed = observation.observe(cache, observation.parse(microservice(grpc={})), INPUTS, {}, NOW)
    assert not closed.peers
    assert observation.observe(cache, observation.parse(fair), INPUTS, {}, NOW).crowds == seen.crowds


def test_peer_being_deleted_ignored() -> None:
    """A provider that is being deleted is no peer."""
    mine, provider = microservice(consumes=[{"name": "payments"}]), microservice(Key("shop", "payments"))
    provider["metadata"]["deletionTimestamp"] = DELETED_AT
    cache = cache_with(mine, provider)
    assert not observation.observe(cache, observation.parse(mine), INPUTS, {}, NOW).peers


def test_passwords_fresh_for_each_role() -> None:
    """Each observation has a new password for each role."""
    mine = microservice(database={"storage": {"size": "1Gi"}})
    cache, service = cache_with(mine), observation.parse(mine)
    first, second = (observation.observe(cache, service, INPUTS, {}, NOW).passwords for _ in range(2))
    roles = set(engines.of(Database(storage=Storage(size="1Gi"))).roles)
    assert set(first) == roles
    assert len({*first.values(), *second.values()}) == 2 * len(roles)
    assert all(len(password) >= 32 for password in first.values())


PAYMENTS = Key("shop", "payments")
CALLS = [{"name": "users", "methods": [offered.GET_USER]}]


def peers_of(key: Key, *objects: Object) -> dict[Key, Peer]:
    consumer = microservice(PAYMENTS, consumes=CALLS)
    cache = cache_with(microservice(), consumer, *objects)
    subject = observation.parse(microservice() if key == USERS else consumer)
    return dict(observation.observe(cache, subject, INPUTS, {}, NOW).peers)


def test_peers_calls_and_contract() -> None:
    """A provider knows the called methods, a consumer the contract of the serving image."""
    assert peers_of(USERS)[PAYMENTS].calls == {USERS: (offered.GET_USER,)}
    users = observation.parse(microservice())
    deployment = owned("Deployment")
    deployment["spec"] = {"template": {"spec": {"containers": [{"name": "service", "image": IMAGE}]}}}
    contract = published.config_map(users, IMAGE, offered.users(), "contracts")
    contract["metadata"] |= {"uid": "c", "resourceVersion": "1"}
    assert peers_of(PAYMENTS, deployment, contract)[USERS].contract == offered.users()
    assert peers_of(PAYMENTS, contract)[USERS].contract == b"", "no image serves yet"
    other = published.config_map(users, "users:2", offered.users(), "contracts")
    other["metadata"] |= {"uid": "d", "resourceVersion": "1"}
    assert peers_of(PAYMENTS, deployment, other)[USERS].contract == b"", "the contract of another image does not count"


def test_peer_contract_of_other_cluster() -> None:
    """Consumers of a provider that moved to another cluster keep the contract that was published here last."""
    users = observation.parse(microservice())
    contract = published.config_map(users, IMAGE, offered.users(), "contracts")
    contract["metadata"] |= {"uid": "c", "resourceVersion": "1"}
    moved = microservice(placement={"cluster": "west"})
    moved["status"] = {"endpointTarget": "shop@west", "contract": {"configMap": contract["metadata"]["name"]}}
    there = microservice(placement={"fromCluster": "east"})
    consumer = microservice(PAYMENTS, consumes=CALLS)
    cache = cache_with(moved, consumer, contract)
    declared = observation.declared_remotely(there, "west")
    there["metadata"]["namespace"] = "shop@west"
    cache.put_service(there, *declared)
    assert cache.aliases == {USERS: Key("shop@west", "users")}
    seen = observation.observe(cache, observation.parse(consumer), INPUTS, {}, NOW).peers
    assert seen[USERS].contract == offered.users()


def test_peer_backup_age_known() -> None:
    """The counterpart of a move knows the required and the last backup."""
    source, destination = (Key(namespace, "users") for namespace in ("shop", "people"))
    one = microservice(source, placement={"namespace": "people", "maxBackupAge": "24h"})
    one["metadata"]["annotations"] = {"freehold.dev/last-backup-at": "2026-01-02T00:00:00Z"}
    other = microservice(destination, placement={"from": "shop"})
    known = observation.observe(cache_with(one, other), observation.parse(other), INPUTS, {}, NOW).peers[source]
    assert (known.max_backup_age, known.last_backup_at) == ("24h", "2026-01-02T00:00:00Z")


def test_invalid_consumer_declares_no_calls() -> None:
    """A consumer that cannot be read declares no calls."""
    broken = microservice(PAYMENTS, consumes=[{"name": "users", "methods": "many"}])
    cache = cache_with(microservice())
    cache.put_service(broken, frozenset({USERS}), peer=peers.record(broken))
    assert observation.observe(cache, observation.parse(microservice()), INPUTS, {}, NOW).peers[PAYMENTS].calls == {}


def test_invalid_resource_absent_from_call_graph() -> None:
    """A resource that cannot be read has an empty call-graph node, and affects no other."""
    mine = microservice(latencyBudget="1s", consumes=[{"name": "payments", "latencyBudget": "250ms"}])
    broken = microservice(Key("shop", "payments"), latencyBudget="soon", consumes=[{"name": "ledger"}])
    cache = cache_with(mine, broken)
    graph = observation.observe(cache, observation.parse(mine), INPUTS, {}, NOW).graph
    assert graph[USERS] == CallNode(1000, (Call(Key("shop", "payments"), 250),))
    assert graph[Key("shop", "payments")] == CallNode()
