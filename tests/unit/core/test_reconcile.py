"""Properties of every service: reconciling is deterministic, converges, and keeps edits local."""

from __future__ import annotations

from dataclasses import replace

import pytest
from freehold.core.model.case import Case
from freehold.core.model.conditions import State
from freehold.core.model.resources import Object, Observed, Ref, Service
from freehold.core.reconcile import report
from freehold.kube import diff
from hypothesis import given

from tests.unit.core.worlds import (
    DATABASE,
    SERVICES,
    objects_of,
    observed,
    peer,
    peers,
    placed,
    reconcile,
    service,
    settled,
)

OTHERS = {"app": "second", "owner": "second", "replicator": "other-replicator", "postgres": "second"}


@given(SERVICES)
def test_reconcile_is_deterministic(subject: Service) -> None:
    """The same case gives the same plans."""
    assert reconcile(subject, observed()) == reconcile(subject, observed())


@given(SERVICES)
def test_reconcile_converges(subject: Service) -> None:
    """At rest every planned object exists as planned."""
    seen = settled(subject, observed())
    later = replace(seen, passwords=OTHERS)
    for ref, body in objects_of(reconcile(subject, later)).items():
        assert diff.contains(seen.objects[ref], body), ref


@given(SERVICES)
def test_status_converges(subject: Service) -> None:
    """At rest the status stays the same, without events."""
    seen = settled(subject, observed())
    first = report(Case(subject, seen), reconcile(subject, seen))
    later = replace(seen, status=first.status)
    repeated = report(Case(subject, later), reconcile(subject, later))
    assert repeated.status == first.status
    assert repeated.events == ()


@given(SERVICES)
def test_service_with_providers_becomes_ready(subject: Service) -> None:
    """At rest, with all providers, a service is ready."""
    consumed = [peer(c.name, c.namespace or "shop", grpc={"consumers": {"from": "All"}}) for c in subject.spec.consumes]
    seen = settled(subject, observed(peers=peers(*consumed)))
    status = report(Case(subject, seen), reconcile(subject, seen)).status
    assert status["conditions"][0]["type"] == "Ready"
    assert status["conditions"][0]["status"] == State.TRUE, status["conditions"]


@given(SERVICES)
def test_missing_provider_delays_nothing(subject: Service) -> None:
    """A missing provider does not delay pods and database of the consumer."""
    alone = settled(subject, observed())
    kinds = {ref.kind for ref in alone.objects}
    assert "Deployment" in kinds
    assert ("StatefulSet" in kinds) == (subject.spec.database is not None)


FULL: Object = {
    "replicas": 2,
    "grpc": {"port": 50051},
    "http": {"port": 8080},
    "database": DATABASE,
    "consumes": [{"name": "payments"}],
}


def changed(edit: Object) -> set[str]:
    """The capabilities whose objects change with an edit of a service at rest."""
    before, after = service(**FULL), service(**{**FULL, **edit})
    seen = settled(before, observed())
    pairs = zip(reconcile(before, seen), reconcile(after, seen), strict=True)
    return {old.capability for old, new in pairs if old.objects != new.objects}


@pytest.mark.parametrize(
    ("title", "edit", "touched"),
    [
        ("no edit", {}, set()),
        ("an image", {"image": "x:2"}, {"contracts", "workload", "migrations"}),
        ("replicas", {"replicas": 3}, {"workload"}),
        ("a port without consumers", {"grpc": {"port": 6000}}, {"workload"}),
        ("a port in network policies", {"http": {"port": 6000}}, {"workload", "isolation"}),
        (
            "consent without consumers",
            {"grpc": {"port": 50051, "consumers": {"from": "All"}}},
            set(),
        ),
        (
            "a consumed service",
            {"consumes": [{"name": "users"}]},
            {"dependencies", "workload"},
        ),
        ("the size of the volume", {"database": {**DATABASE, "storage": {"size": "2Gi"}}}, {"database"}),
        (
            "resources of the server",
            {"database": {**DATABASE, "resources": {"limits": {"memory": "1Gi"}}}},
            {"database"},
        ),
        (
            "the deletion policy",
            {"database": {**DATABASE, "deletionPolicy": "Delete"}},
            {"credentials", "database"},
        ),
    ],
)
def test_edit_touches_only_its_capabilities(title: str, edit: Object, touched: set[str]) -> None:
    """An edit changes objects of the concerned capabilities only."""
    assert changed(edit) == touched, title


def test_deletion_policy_restarts_no_server() -> None:
    """An edit of the deletion policy does not change the StatefulSet."""
    before = service(**FULL)
    after = service(**{**FULL, "database": {**DATABASE, "deletionPolicy": "Delete"}})
    seen = settled(before, observed())
    server = Ref("StatefulSet", "users-database")
    assert objects_of(reconcile(before, seen))[server] == objects_of(reconcile(after, seen))[server]


def new_kinds(subject: Service, seen: Observed) -> list[set[str]]:
    """The new kinds of objects at each reconcile, without capability contracts."""
    steps: list[set[str]] = []
    while True:
        plans = reconcile(subject, seen)
        wanted = objects_of([plan for plan in plans if plan.capability != "contracts"])
        fresh = {ref.kind for ref in wanted if ref not in seen.objects}
        if not fresh:
            return steps
        steps.append(fresh)
        seen = placed(seen, plans)


def test_objects_are_created_in_order() -> None:
    """Server, migration and pods are created one after another."""
    first, *later = new_kinds(service(**FULL), observed())
    assert {"Secret", "NetworkPolicy", "PersistentVolumeClaim", "Service"} <= first
    assert later == [{"StatefulSet"}, {"Job"}, {"Deployment"}]


def test_bindings_have_one_password_each() -> None:
    """Service and migrations get the password of one role each."""
    secrets = {r.name: o["data"] for r, o in settled(service(**FULL), observed()).objects.items() if r.kind == "Secret"}
    binding, owner = secrets["users-database"], secrets["users-database-owner"]
    server = secrets["users-database-server"]
    assert binding["password"] == server["app"] != owner["password"] == server["owner"]
    assert server["postgres"] not in {*binding.values(), *owner.values()}


def test_lost_binding_is_restored() -> None:
    """A deleted binding Secret is made again with the password in use."""
    subject = service(**FULL)
    seen = settled(subject, observed())
    for lost in ("users-database", "users-database-owner"):
        kept = {ref: o for ref, o in seen.objects.items() if ref != Ref("Secret", lost)}
        plans = reconcile(subject, replace(seen, objects=kept, passwords=OTHERS))
        assert objects_of(plans)[Ref("Secret", lost)]["data"] == seen.objects[Ref("Secret", lost)]["data"]


def test_lost_server_secret_is_restored() -> None:
    """A deleted server Secret is made again with the passwords of the bindings."""
    subject = service(**FULL)
    seen = settled(subject, observed())
    server = Ref("Secret", "users-database-server")
    kept = {ref: o for ref, o in seen.objects.items() if ref != server}
    made = objects_of(reconcile(subject, replace(seen, objects=kept, passwords=OTHERS)))[server]["data"]
    for role in ("app", "owner"):
        assert made[role] == seen.objects[server]["data"][role]
    assert made["postgres"] != seen.objects[server]["data"]["postgres"]


def test_new_image_waits_for_migrations() -> None:
    """The Deployment is kept unchanged until the migration of a new image is complete."""
    seen = settled(service(**FULL), observed())
    newer = service(**{**FULL, "image": "users:2"})
    plans = {plan.capability: plan for plan in reconcile(newer, seen)}
    migrations, endpoint = plans["migrations"], plans["workload"]
    assert [o["kind"] for o in migrations.objects] == ["Job"]
    assert Ref("Deployment", "users") not in objects_of([endpoint])
    assert endpoint.keep == {Ref("Deployment", "users")}


def test_database_restart_keeps_pods() -> None:
    """While the database restarts, the Deployment stays planned and the Job is kept."""
    subject = service(**FULL)
    seen = settled(subject, observed())
    server = Ref("StatefulSet", "users-database")
    down = replace(seen, objects={**seen.objects, server: {**seen.objects[server], "status": {}}})
    plans = reconcile(subject, down)
    assert {Ref("Deployment", "users"), server} <= objects_of(plans).keys()
    assert any(ref.kind == "Job" for plan in plans for ref in plan.keep)


@given(SERVICES)
def test_objects_without_owner_left_alone(subject: Service) -> None:
    """An object without an owner asks Argo CD neither to prune nor to delete it; an owned one says nothing of it."""
    for ref, body in settled(subject, observed()).objects.items():
        annotations = body["metadata"].get("annotations", {})
        asked = annotations.get("argocd.argoproj.io/sync-options") == "Prune=false,Delete=false"
        ignored = annotations.get("argocd.argoproj.io/compare-options") == "IgnoreExtraneous"
        assert asked is ignored is ("ownerReferences" not in body["metadata"]), ref
