"""Consent to a move is withdrawn, as the cache sees it: the path closes although the other tenant labels servers."""

from __future__ import annotations

from freehold.core.model.case import Case
from freehold.core.model.findings import Findings
from freehold.core.model.resources import Key, Object
from freehold.core.objects import meta
from freehold.core.reconcile import reconcile, report
from freehold.kube import observation
from freehold.kube.cache import Cache

from tests.unit.core.worlds import AUTHORITY, NOW, PLATFORM

HERE = Key("shop", "users")
INPUTS = observation.Inputs(PLATFORM, AUTHORITY, {"shop", "evil"}, Findings())
DATABASE = {"version": "15", "storage": {"size": "1Gi"}}


def put_service(cache: Cache, namespace: str, version: int, placement: Object, status: Object | None = None) -> None:
    spec = {"image": "users:1", "grpc": {"port": 50051}, "database": DATABASE, "placement": placement}
    whole = {
        "namespace": namespace,
        "name": "users",
        "uid": namespace,
        "generation": 1,
        "resourceVersion": str(version),
    }
    live = {"kind": "Microservice", "metadata": whole, "spec": spec, "status": status or {}}
    cache.put_service(live, *observation.declared(live))


def put(cache: Cache, namespace: str, kind: str, name: str, **body: Object) -> None:
    labels = meta.selector("users", meta.DATABASE)
    whole = {"namespace": namespace, "name": name, "uid": f"{kind}-{namespace}", "resourceVersion": "1"}
    cache.put_owned({"kind": kind, "metadata": {**whole, "generation": 1, "labels": labels}, **body})


def look(cache: Cache) -> tuple[bool, Object]:
    """Reconcile the source. Return whether its database admits namespace evil, and the status."""
    live = cache.services[HERE].unpack()
    service = observation.parse(live)
    case = Case(service, observation.observe(cache, service, INPUTS, live["status"], NOW))
    plans = reconcile(case)
    named = {
        body["metadata"]["name"]: body for plan in plans for body in plan.objects if body["kind"] == "NetworkPolicy"
    }
    return "evil" in str(named["users-database"]["spec"]), dict(report(case, plans).status)


def test_consent_withdrawn_closes_path() -> None:
    """A StatefulSet that the other tenant labels does not keep the path to the data open."""
    cache = Cache(lambda _: None)
    claim = {"resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "standard"}
    put(cache, "shop", "PersistentVolumeClaim", "users-database-data", spec=claim, status={"phase": "Bound"})
    put(cache, "shop", "StatefulSet", "users-database", spec={"template": {"metadata": {}, "spec": {}}}, status={})
    put_service(cache, "shop", 1, {})
    put_service(cache, "evil", 1, {"from": "shop"})
    assert not look(cache)[0], "without consent"
    put_service(cache, "shop", 2, {"namespace": "evil"})
    put(cache, "evil", "StatefulSet", "hold", spec={"template": {"metadata": {}, "spec": {}}}, status={})
    admitted, status = look(cache)
    assert admitted, "with the consent of both"
    put_service(cache, "shop", 3, {}, status)
    _, status = look(cache)
    put_service(cache, "shop", 4, {}, status)
    admitted, status = look(cache)
    assert not admitted and "counterpart" not in status
