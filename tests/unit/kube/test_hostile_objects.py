"""Any JSON in any watched object: no exception leaves the look at another service, whose plan stays the same."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import cache as once
from typing import Any, cast

import pytest
from freehold.core.contracts import published
from freehold.core.model.findings import Findings
from freehold.core.model.resources import Key, Object, Plan
from freehold.kube import kinds, observation
from freehold.kube.cache import Cache
from freehold.kube.client import Api
from freehold.kube.kinds import Kind
from freehold.kube.watch import Watch
from hypothesis import given
from hypothesis import strategies as st

from tests import offered
from tests.unit.core.worlds import AUTHORITY, IMAGE, NOW, PLATFORM, objects_of, reconcile, service, settled
from tests.unit.core.worlds import observed as world

KINDS = {kind.name: kind for kind in (kinds.MICROSERVICE, kinds.POD, *kinds.OWNED)}
INPUTS = observation.Inputs(PLATFORM, AUTHORITY, {"shop", "evil"}, Findings())
USERS, CONSUMER, PROVIDER, REMOTE = "shop/users", "evil/users-client", "evil/payments", "evil@west/users-client"


def resource(namespace: str, name: str, spec: Object, status: Object | None = None) -> Object:
    metadata = {"namespace": namespace, "name": name, "uid": f"uid-of-{name}", "generation": 1, "resourceVersion": "1"}
    return {"metadata": metadata, "spec": {"image": IMAGE, "grpc": {}, **spec}, "status": status or {}}


@once
def cluster() -> dict[str, tuple[Kind, Object]]:
    """Return the objects of a victim, of a refused consumer on a move to another cluster, and of a provider."""
    consumes = [{"name": "users", "namespace": "shop"}]
    conditions = [{"type": "Relocated", "status": "False", "message": "blocked"}]
    resources = [
        resource("shop", "users", {"consumes": [{"name": "payments", "namespace": "evil"}]}),
        resource("evil", "users-client", {"consumes": consumes, "placement": {"cluster": "west"}}),
        resource("evil@west", "users-client", {"placement": {"fromCluster": "e"}}, {"conditions": conditions}),
        resource("evil", "payments", {"grpc": {"consumers": {"from": "All"}}, "database": DATABASE}),
    ]
    found = {
        f"{one['metadata']['namespace']}/{one['metadata']['name']}": (kinds.MICROSERVICE, one) for one in resources
    }
    subject = service("payments", "evil", database=DATABASE)
    objects = objects_of(reconcile(subject, settled(subject, world())))
    contract = published.config_map(subject, IMAGE, offered.users(), "contracts")
    for body in (*objects.values(), contract):
        metadata = {**body["metadata"], "uid": f"uid-{body['kind']}", "resourceVersion": "1"}
        found[f"{body['kind']} {metadata['name']}"] = (KINDS[body["kind"]], {**body, "metadata": metadata})
    return found


DATABASE: Object = {"version": "15", "storage": {"size": "1Gi"}}
HOSTILE = [name for name in cluster() if name != USERS]


class Server:
    """A server with the given objects of a kind."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    async def pages(self, *_: object) -> AsyncIterator[tuple[list[Object], str]]:
        yield self.items, "2"

    async def watch(self, *_: object) -> AsyncIterator[tuple[str, Object]]:
        await asyncio.Event().wait()
        yield "", {}


async def listed(cache: Cache, kind: Kind, *items: Any) -> None:
    """Deliver objects to a cache by a watch, as the controller does; remote objects under the remote namespace."""

    def put(live: Object) -> None:
        if kind is not kinds.MICROSERVICE:
            return cache.put_owned(live)
        namespace, _, remote = live["metadata"]["namespace"].partition("@")
        there = {**live, "metadata": {**live["metadata"], "namespace": namespace}}
        declared = observation.declared_remotely(there, remote) if remote else observation.declared(live)
        return cache.put_service(live, *declared)

    watch = Watch(cast(Api, Server(list(items))), kind, put, lambda _: None)
    following = asyncio.create_task(watch.run())
    try:
        await asyncio.wait_for(watch.synced.wait(), 10)
    finally:
        following.cancel()


def plan_of_users(objects: dict[str, tuple[Kind, Any]]) -> tuple[Plan, ...]:
    """Return the plans of the victim, by the controller's steps from the list to the plan."""
    cache = Cache(lambda _: None)

    async def deliver() -> None:
        for kind, live in objects.values():
            await listed(cache, kind, live)

    asyncio.run(deliver())
    subject = observation.parse(cluster()[USERS][1])
    seen = observation.observe(cache, subject, INPUTS, {}, NOW)
    fresh = dict.fromkeys(seen.passwords, "password")
    return reconcile(subject, replace(seen, passwords=fresh, certificates={}))


def objects(plans: tuple[Plan, ...]) -> list[Object]:
    return [body for plan in plans for body in plan.objects]


MOVING = service("users", "shop", database=DATABASE, placement={"from": "evil"})


@once
def counterpart() -> dict[str, Object]:
    """Return the objects of the service that MOVING replaces, in another namespace or cluster."""
    subject = service("users", "evil", database=DATABASE, placement={"namespace": "shop"})
    found = objects_of(reconcile(subject, settled(subject, world())))
    labels = {"app.kubernetes.io/instance": "users", "app.kubernetes.io/component": "database"}
    metadata = {"name": "users-database-0", "namespace": "evil", "labels": labels}
    container = {"name": "postgresql", "ready": True, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
    conditions = [{"type": "Ready", "status": "True"}]
    status = {"podIP": "10.0.0.1", "phase": "Running", "conditions": conditions, "containerStatuses": [container]}
    pod = {"kind": "Pod", "metadata": metadata, "spec": {}, "status": status}
    bodies = {f"{body['kind']} {body['metadata']['name']}": body for body in (*found.values(), pod)}
    moving = ("Pod", "Secret", "ConfigMap", "PersistentVolumeClaim", "Service", "StatefulSet")
    claimed = next(body for body in bodies.values() if body["kind"] == "PersistentVolumeClaim")
    annotations = {"freehold.dev/epoch": "2", "freehold.dev/promoted-at": "2026-01-01T00:00:00Z"}
    claimed["metadata"]["annotations"] = {**claimed["metadata"].get("annotations", {}), **annotations}
    claimed["status"] = {"phase": "Bound", "capacity": {"storage": "1Gi"}}
    for body in bodies.values():
        body["metadata"] = {**body["metadata"], "uid": f"uid-{body['kind']}", "resourceVersion": "1"}
    return {name: body for name, body in bodies.items() if body["kind"] in moving}


FIELDS = ["metadata", "spec", "status", "labels", "conditions", "type", "placement", "cluster", "grpc", "port", "data"]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("9" * 400)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def edited(draw: st.DrawFn, live: Object) -> Any:
    """An object with any JSON in place of a value, an object, or the whole."""
    whole = copy.deepcopy(live)
    paths = branches(whole)
    path = draw(st.sampled_from(paths))
    value = draw(JSON)
    if not path:
        return value
    *parents, last = path
    inner: Any = whole
    for step in parents:
        inner = inner[step]
    inner[last] = value
    return whole


def branches(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the path of each value at each level, the labels by which the object is found left out."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, each in inner if key != "labels" for found in branches(each, (*path, key)))]


@pytest.mark.parametrize("name", HOSTILE)
@given(data=st.data())
def test_other_service_observed(name: str, data: st.DataObject) -> None:
    """Whatever is in an object of another service, the victim is planned; a refused consumer changes no object."""
    kind, live = cluster()[name]
    plans = plan_of_users({**cluster(), name: (kind, data.draw(edited(live)))})
    if name in (CONSUMER, REMOTE):
        assert objects(plans) == objects(calm())


@pytest.mark.parametrize("name", list(counterpart()))
@given(data=st.data())
def test_counterpart_observed(name: str, data: st.DataObject) -> None:
    """Whatever the other side of a move wrote, the service is planned."""
    cache = Cache(lambda _: None)
    objects = {**counterpart(), name: data.draw(edited(counterpart()[name]))}

    async def deliver() -> None:
        own = resource("shop", "users", {"database": DATABASE, "placement": {"from": "evil"}})
        other = resource("evil", "users", {"database": DATABASE, "placement": {"namespace": "shop"}})
        await listed(cache, kinds.MICROSERVICE, own, other)
        for each, live in objects.items():
            await listed(cache, KINDS[each.split()[0]], live)

    asyncio.run(deliver())
    seen = observation.observe(cache, MOVING, INPUTS, {}, NOW)
    assert seen.counterpart
    reconcile(MOVING, replace(seen, certificates={}))


@once
def calm() -> tuple[Plan, ...]:
    return plan_of_users({name: each for name, each in cluster().items() if name not in (CONSUMER, REMOTE)})


@given(edited(cluster()[USERS][1]))
def test_own_resource_observed(live: Any) -> None:
    """Whatever is in a resource, that service alone reports it: the list goes on, and the resource parses or not."""
    cache = Cache(lambda _: None)
    asyncio.run(listed(cache, kinds.MICROSERVICE, live, cluster()[PROVIDER][1]))
    assert Key("evil", "payments") in cache.services
    for stored in cache.services.values():
        try:
            subject = observation.parse(stored.unpack())
        except observation.InvalidResource:
            continue
        reconcile(subject, observation.observe(cache, subject, INPUTS, {}, NOW))
