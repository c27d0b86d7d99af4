"""The filter of a remote cluster: records of what fits, reasons for what does not."""

from __future__ import annotations

import base64
import json
import random
from ipaddress import ip_network
from typing import Any

import pytest
from freehold.core.model.case import Case
from freehold.core.model.resources import Key, Object
from freehold.core.reconcile import reconcile
from freehold.kube import observation, shapes
from freehold.kube.addresses import Address
from freehold.kube.cache import Cache
from freehold.kube.kinds import BY_NAME, MICROSERVICE, MOVING, POD, SECRET
from freehold.kube.remote_filter import RecordFilter, without_addresses

from tests.unit.core.worlds import NOW
from tests.unit.kube.remote_server import LABELS, metadata, pod, registered
from tests.unit.kube.test_observation import INPUTS, microservice

CLAIM, CONFIG_MAP = BY_NAME["PersistentVolumeClaim"], BY_NAME["ConfigMap"]
EPOCH = "freehold.dev/epoch"


def is_local(address: Address) -> bool:
    return address in ip_network("10.2.9.0/24")


def record_filter() -> RecordFilter:
    return RecordFilter("shop", registered("https://192.0.2.1", "10.2.0.0/16", "fd00:2::/48"), is_local)


def claim(**fields: Any) -> Object:
    spec = {"resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "fast", "volumeName": "x"}
    whole = metadata("users-database-data", labels=LABELS, annotations={EPOCH: "2", "other": "x"}, **fields)
    return {"metadata": whole, "spec": spec, "status": {"phase": "Bound"}}


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("10.2.0.1", ""),
        ("fd00:2::1", ""),
        ("10.1.0.1", "outside the podCIDRs"),
        ("10.2.9.1", "belongs to this cluster"),
        ("::ffff:10.2.9.1", "belongs to this cluster"),
        ("127.0.0.1", "belongs to this cluster or to no pod"),
        ("169.254.169.254", "belongs to this cluster or to no pod"),
        ("224.0.0.1", "belongs to this cluster or to no pod"),
        ("fd00:2::1%eth0", "is malformed"),
        ("0.0.0.0/0", "is malformed"),
        ("kubernetes.default.svc", "is malformed"),
    ],
)
def test_addresses_of_pods_checked(address: str, reason: str) -> None:
    """A pod keeps an address of the registered blocks; another address is removed, and named in the trouble."""
    entry = record_filter()
    record = entry.record(POD, pod("users-1", address))
    assert record and record["status"].get("podIP") == (None if reason else address)
    assert reason in entry.trouble() and bool(entry.trouble()) is bool(reason)


def test_record_has_the_form_that_readers_expect() -> None:
    """A record of a pod with containers is not dropped afterwards as an object of another form."""
    live = pod("users-database-0", "10.2.0.1")
    live["status"]["containerStatuses"] = [{"name": "postgresql", "image": "x", "state": {"running": {}}}]
    record = record_filter().record(POD, live)
    assert record and shapes.fits(record)


def test_trouble_ends_with_the_object() -> None:
    """A refusal is forgotten once the object fits, or is deleted."""
    entry = record_filter()
    for number in (1, 2, 3):
        entry.record(POD, pod(f"users-{number}", "10.9.0.1"))
    assert entry.trouble().startswith("Pod users-1 is not used: address 10.9.0.1 is outside")
    assert entry.trouble().endswith(", and 2 more")
    entry.record(POD, pod("users-1", "10.2.0.1"))
    entry.forget("Pod", "users-2")
    entry.forget("Pod", "users-3")
    assert entry.trouble() == ""


def test_addresses_of_callers_checked() -> None:
    """The ConfigMap of callers keeps addresses of the registered blocks; other ConfigMaps are not kept."""
    entry = record_filter()
    data = {"shop.payments": "10.2.0.7 10.1.0.1 0.0.0.0/0", "shop.front": ""}
    live = {"metadata": metadata("users-callers", labels=LABELS), "data": data}
    record = entry.record(CONFIG_MAP, live)
    assert record and record["data"] == {"shop.payments": "10.2.0.7", "shop.front": ""}
    assert "ConfigMap users-callers is not used" in entry.trouble()
    assert entry.record(CONFIG_MAP, {**live, "metadata": metadata("users-contract-1", labels=LABELS)}) is None


def test_callers_bounded() -> None:
    """At most a thousand addresses of callers are kept."""
    listed = " ".join(f"10.2.{number >> 8}.{number & 255}" for number in range(1200))
    live = {"metadata": metadata("users-callers", labels=LABELS), "data": {"shop.a": listed, "shop.b": "10.2.0.1"}}
    record = record_filter().record(CONFIG_MAP, live)
    assert record and len(record["data"]["shop.a"].split()) == 1000 and record["data"]["shop.b"] == ""


def test_record_has_what_a_move_reads() -> None:
    """A record keeps the fields that a move reads, in the form of the API, and no others."""
    record = record_filter().record(CLAIM, claim())
    assert record == {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            **metadata("users-database-data", labels=LABELS, annotations={EPOCH: "2"}),
            "generation": 0,
            "ownerReferences": [],
        },
        "spec": {"resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "fast"},
        "status": {"phase": "Bound"},
    }


def test_secrets_keep_what_is_read() -> None:
    """Of the server's certificate only the authority is kept, never the key."""
    encoded = base64.b64encode(b"x").decode()
    data = {"ca.crt": encoded, "tls.crt": encoded, "tls.key": encoded}
    record = record_filter().record(SECRET, {"metadata": metadata("users-database-tls", labels=LABELS), "data": data})
    assert record and record["data"] == {"ca.crt": encoded}


@pytest.mark.parametrize(
    "spoiled",
    [
        {"metadata": metadata("users-database-data", labels=LABELS, annotations={EPOCH: "x"})},
        {"metadata": metadata("users-database-data", labels=LABELS, annotations={"freehold.dev/promoted-at": "now"})},
        {"metadata": {**metadata("users-database-data", labels=LABELS), "resourceVersion": "x"}},
        {"metadata": {**metadata("users-database-data", labels=LABELS), "uid": 7}},
        {"metadata": metadata("x" * 300, labels=LABELS)},
        {"metadata": metadata("users-database-data", labels={"app.kubernetes.io/instance": ["users"]})},
        {"spec": {"resources": {"requests": {"storage": "much"}}}},
        {"spec": {"resources": {"requests": {"storage": 10**30}}}},
        {"status": []},
    ],
)
def test_objects_that_do_not_fit_are_dropped(spoiled: Object) -> None:
    """An object whose fields have other types or forms is dropped, with a printable reason that is bounded."""
    entry = record_filter()
    assert entry.record(CLAIM, {**claim(), **spoiled}) is None
    assert "is not used" in entry.trouble() and entry.trouble().isprintable() and len(entry.trouble()) < 600


def test_microservice_keeps_the_declaration_of_a_move() -> None:
    """Of a Microservice the placement, the ports, the database and the state of the move are kept."""
    relocated = {"type": "Relocated", "status": "False", "message": "no\u001b[31m\n" + "x" * 900, "reason": "x"}
    live = {
        "metadata": metadata("users", generation=3),
        "spec": {"image": "users:1", "grpc": {"port": 6000}, "placement": {"fromCluster": "east"}, "consumes": [7]},
        "status": {"replaces": "shop@east", "conditions": [relocated, {"type": 7}], "binding": {"name": []}},
    }
    record = record_filter().record(MICROSERVICE, live)
    assert record and record["spec"] == {
        "image": "users:1",
        "grpc": {"port": 6000},
        "placement": {"fromCluster": "east"},
    }
    (condition,) = record["status"]["conditions"]
    assert condition["message"].isprintable() and len(condition["message"]) == 400
    assert observation.declared_remotely(record, "west").moves.origin == "shop"


def test_without_addresses() -> None:
    """A record whose addresses have expired keeps everything else."""
    record = record_filter().record(POD, pod("users-1", "10.2.0.1"))
    assert record
    bare = without_addresses(record)
    assert "podIP" not in bare["status"] and bare["metadata"] == record["metadata"]
    assert record["status"]["podIP"] == "10.2.0.1"


VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 10**30, 1.5, "", "x", "10.2.0.1", "\u001b]52;", "\ud800", "2", "2026-01-02T03:04:05Z",
    [], {}, ["x"], {"x": "y"}, [None], "a" * 70000,
)  # fmt: skip
LIVES: dict[str, Object] = {
    "Microservice": {
        "metadata": metadata("users", generation=1, annotations={"freehold.dev/move": "Paused"}),
        "spec": {"image": "c:1", "grpc": {}, "placement": {"fromCluster": "east"}, "database": {"storage": {}}},
        "status": {"replaces": "shop@east", "conditions": [{"type": "Ready", "status": "True", "message": "x"}]},
    },
    "Pod": pod("users-1", "10.2.0.1"),
    "PersistentVolumeClaim": claim(),
    "Service": {"metadata": metadata("users-database", labels=LABELS), "spec": {"selector": {"a": "b"}}},
    "StatefulSet": {
        "metadata": metadata("users-database", labels=LABELS, generation=1),
        "spec": {"template": {"metadata": {"annotations": {"freehold.dev/primary": "a.b@1"}}, "spec": {}}},
        "status": {"readyReplicas": 1, "observedGeneration": 1, "updatedReplicas": 1},
    },
    "ConfigMap": {"metadata": metadata("users-callers", labels=LABELS), "data": {"shop.payments": "10.2.0.1"}},
    "Secret": {"metadata": metadata("users-database-server", labels=LABELS), "data": {"app": "eA=="}},
}


def spoil(value: Any, chance: random.Random) -> Any:
    """Replace one part of an object, at any depth, by another value."""
    if not isinstance(value, dict | list) or not value or chance.random() < 0.15:
        return chance.choice(VALUES)
    if isinstance(value, list):
        return [spoil(value[0], chance), *value[1:]]
    key = chance.choice(list(value))
    return {**value, key: spoil(value[key], chance)}


@pytest.mark.parametrize("seed", range(12))
def test_no_remote_object_makes_a_reconciliation_fail(seed: int) -> None:
    """Whatever the objects of a remote cluster hold, the services of this cluster are reconciled."""
    chance, cache, entry = random.Random(seed), Cache(lambda _: None), record_filter()
    victim = microservice(Key("people", "victim"), consumes=[])
    moving = microservice(
        placement={"cluster": "west"}, consumes=[{"name": "victim", "namespace": "people"}],
        database={"storage": {"size": "1Gi"}},
    )  # fmt: skip
    for live in (victim, moving):
        cache.put_service(live, *observation.declared(live))
    for round_ in range(1, 25):
        kind = chance.choice((MICROSERVICE, SECRET, *MOVING))
        live = json.loads(json.dumps(LIVES[kind.name]))
        live = spoil(live, chance) if chance.random() < 0.7 else live
        if isinstance(live, dict) and isinstance(live.get("metadata"), dict) and chance.random() < 0.8:
            live["metadata"]["resourceVersion"] = str(round_)
        if record := entry.record(kind, live):
            declared = observation.declared_remotely(record, "west")
            record["metadata"]["namespace"] = "shop@west"
            if kind is MICROSERVICE:
                cache.put_service(record, *declared)
            else:
                cache.put_owned(record)
        for own in (victim, moving):
            service = observation.parse(own)
            reconcile(Case(service, observation.observe(cache, service, INPUTS, {}, NOW)))
        entry.trouble()
