"""From stored objects to what the core may look at."""

from __future__ import annotations

import pytest
from freehold.api.v1alpha1.database import Database, Storage
from freehold.core import engines
from freehold.core.contracts import published
from freehold.core.model.findings import Findings
from freehold.core.model.resources import Call, CallNode, Key, Object, Peer, Platform, Ref
from freehold.kube import observation
from freehold.kube.cache import Cache

from tests import offered
from tests.unit.core.worlds import AUTHORITY, IMAGE, NOW

USERS = Key("shop", "users")
MEANS = observation.Inputs(Platform(), AUTHORITY, {"shop"}, Findings())


def microservice(key: Key = USERS, uid: str = "now", **spec: object) -> Object:
    metadata = {**key._asdict(), "uid": uid, "generation": 3, "resourceVersion": "1"}
    return {"kind": "Microservice", "metadata": metadata, "spec": {"image": IMAGE, "grpc": {}, **spec}}


def owned(kind: str, *, by: str | None = "now", **metadata: object) -> Object:
    """An object of users', controlled by the Microservice with that uid."""
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


def seen(*objects: Object) -> set[Ref]:
    cache = cache_with(microservice(), *objects)
    return set(observation.observe(cache, observation.parse(microservice()), MEANS, {}, NOW).objects)


LEAVES = "2026-01-02T03:04:05Z"


@pytest.mark.parametrize(
    ("says", "live", "expected"),
    [
        ("its own", owned("Service"), True),
        ("one without an owner, as kept data has none", owned("Secret", by=None), True),
        ("one being deleted is as good as gone", owned("Service", deletionTimestamp=LEAVES), False),
        ("one a former resource of that name left is as good as gone", owned("Service", by="former"), False),
        ("a volume being deleted is still looked at", owned("PersistentVolumeClaim", deletionTimestamp=LEAVES), True),
        ("credentials of a former resource are still looked at", owned("Secret", by="former"), True),
    ],
)
def test_what_is_seen(says: str, live: Object, expected: bool) -> None:
    assert (Ref(live["kind"], "users") in seen(live)) is expected, says


def test_a_resource_is_read_as_its_team_wrote_it() -> None:
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
def test_what_cannot_be_read_says_where(spec: Object, words: str) -> None:
    with pytest.raises(observation.InvalidResource, match=words):
        observation.parse(microservice(**spec))
    assert observation.declared(microservice(**spec)).consumes == frozenset()


def test_only_services_that_name_each_other_are_peers() -> None:
    abroad, caller, stranger = Key("accounts", "people"), Key("shop", "payments"), Key("shop", "stranger")
    mine = microservice(consumes=[{"name": "people", "namespace": "accounts"}])
    others = [microservice(abroad), microservice(caller, consumes=[{"name": "users"}]), microservice(stranger)]
    cache = cache_with(mine, *others)
    assert set(observation.observe(cache, observation.parse(mine), MEANS, {}, NOW).peers) == {abroad, caller}


def test_a_provider_that_is_being_deleted_is_as_good_as_gone() -> None:
    mine, provider = microservice(consumes=[{"name": "payments"}]), microservice(Key("shop", "payments"))
    provider["metadata"]["deletionTimestamp"] = LEAVES
    cache = cache_with(mine, provider)
    assert not observation.observe(cache, observation.parse(mine), MEANS, {}, NOW).peers


def test_passwords_are_fresh_each_time_and_one_for_each_role() -> None:
    mine = microservice(database={"storage": {"size": "1Gi"}})
    cache, service = cache_with(mine), observation.parse(mine)
    one, other = (observation.observe(cache, service, MEANS, {}, NOW).passwords for _ in range(2))
    roles = set(engines.of(Database(storage=Storage(size="1Gi"))).roles)
    assert set(one) == roles
    assert len({*one.values(), *other.values()}) == 2 * len(roles)
    assert all(len(password) >= 32 for password in one.values())


PAYMENTS = Key("shop", "payments")
CALLS = [{"name": "users", "methods": [offered.GET_USER]}]


def peers_of(key: Key, *objects: Object) -> dict[Key, Peer]:
    consumer = microservice(PAYMENTS, consumes=CALLS)
    cache = cache_with(microservice(), consumer, *objects)
    subject = observation.parse(microservice() if key == USERS else consumer)
    return dict(observation.observe(cache, subject, MEANS, {}, NOW).peers)


def test_a_provider_knows_what_is_called_and_a_consumer_what_is_offered() -> None:
    assert peers_of(USERS)[PAYMENTS].calls == {USERS: (offered.GET_USER,)}
    users = observation.parse(microservice())
    deployment = owned("Deployment")
    deployment["spec"] = {"template": {"spec": {"containers": [{"image": IMAGE}]}}}
    contract = published.config_map(users, IMAGE, offered.users(), "contracts")
    contract["metadata"] |= {"uid": "c", "resourceVersion": "1"}
    assert peers_of(PAYMENTS, deployment, contract)[USERS].contract == offered.users()
    assert peers_of(PAYMENTS, contract)[USERS].contract == b"", "none serves yet"
    other = published.config_map(users, "users:2", offered.users(), "contracts")
    other["metadata"] |= {"uid": "d", "resourceVersion": "1"}
    assert peers_of(PAYMENTS, deployment, other)[USERS].contract == b"", "what another image offers is not met yet"


def test_the_other_side_of_a_move_knows_what_backup_is_asked_for_and_when_the_last_was_made() -> None:
    goes, takes = (Key(namespace, "users") for namespace in ("shop", "people"))
    one = microservice(goes, placement={"namespace": "people", "maxBackupAge": "24h"})
    one["metadata"]["annotations"] = {"freehold.dev/last-backup-at": "2026-01-02T00:00:00Z"}
    other = microservice(takes, placement={"from": "shop"})
    known = observation.observe(cache_with(one, other), observation.parse(other), MEANS, {}, NOW).peers[goes]
    assert (known.max_backup_age, known.last_backup_at) == ("24h", "2026-01-02T00:00:00Z")


def test_a_consumer_that_cannot_be_read_declares_nothing() -> None:
    broken = microservice(PAYMENTS, consumes=[{"name": "users", "methods": "many"}])
    cache = cache_with(microservice())
    cache.put_service(broken, frozenset({USERS}))
    assert observation.observe(cache, observation.parse(microservice()), MEANS, {}, NOW).peers[PAYMENTS].calls == {}


def test_a_resource_that_cannot_be_read_has_no_place_among_the_calls_and_hurts_no_other() -> None:
    mine = microservice(latencyBudget="1s", consumes=[{"name": "payments", "latencyBudget": "250ms"}])
    broken = microservice(Key("shop", "payments"), latencyBudget="soon", consumes=[{"name": "ledger"}])
    cache = cache_with(mine, broken)
    graph = observation.observe(cache, observation.parse(mine), MEANS, {}, NOW).graph
    assert graph[USERS] == CallNode(1000, (Call(Key("shop", "payments"), 250),))
    assert graph[Key("shop", "payments")] == CallNode()
