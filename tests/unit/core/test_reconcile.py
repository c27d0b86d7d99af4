"""What holds for every service: same input, same plan; it comes to rest; edits stay where they belong."""

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
def test_the_same_input_gives_the_same_plans(subject: Service) -> None:
    assert reconcile(subject, observed()) == reconcile(subject, observed())


@given(SERVICES)
def test_at_rest_nothing_is_planned_that_is_not_there(subject: Service) -> None:
    seen = settled(subject, observed())
    later = replace(seen, passwords=OTHERS)
    for ref, body in objects_of(reconcile(subject, later)).items():
        assert diff.contains(seen.objects[ref], body), ref


@given(SERVICES)
def test_at_rest_the_status_says_nothing_new(subject: Service) -> None:
    seen = settled(subject, observed())
    said = report(Case(subject, seen), reconcile(subject, seen))
    again = replace(seen, status=said.status)
    repeated = report(Case(subject, again), reconcile(subject, again))
    assert repeated.status == said.status
    assert repeated.events == ()


@given(SERVICES)
def test_at_rest_with_its_providers_there_a_service_is_ready(subject: Service) -> None:
    consumed = [peer(c.name, c.namespace or "shop", grpc={"consumers": {"from": "All"}}) for c in subject.spec.consumes]
    seen = settled(subject, observed(peers=peers(*consumed)))
    status = report(Case(subject, seen), reconcile(subject, seen)).status
    assert status["conditions"][0]["type"] == "Ready"
    assert status["conditions"][0]["status"] == State.TRUE, status["conditions"]


@given(SERVICES)
def test_a_provider_that_is_missing_delays_nothing_of_the_consumers_own(subject: Service) -> None:
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
    """The capabilities whose objects differ once a service at rest is edited so."""
    before, after = service(**FULL), service(**{**FULL, **edit})
    seen = settled(before, observed())
    pairs = zip(reconcile(before, seen), reconcile(after, seen), strict=True)
    return {one.capability for one, other in pairs if one.objects != other.objects}


@pytest.mark.parametrize(
    ("says", "edit", "touched"),
    [
        ("no edit touches nothing", {}, set()),
        ("an image is the endpoint's and its migrations'", {"image": "x:2"}, {"contracts", "workload", "migrations"}),
        ("replicas are the endpoint's", {"replicas": 3}, {"workload"}),
        ("a port nobody calls is the endpoint's", {"grpc": {"port": 6000}}, {"workload"}),
        ("a port everybody calls is the walls' too", {"http": {"port": 6000}}, {"workload", "isolation"}),
        (
            "consent alone changes no object while nobody consumes",
            {"grpc": {"port": 50051, "consumers": {"from": "All"}}},
            set(),
        ),
        (
            "a dependency is the bindings' and the endpoint's, and opens nothing by itself",
            {"consumes": [{"name": "users"}]},
            {"dependencies", "workload"},
        ),
        ("the size is the volume's", {"database": {**DATABASE, "storage": {"size": "2Gi"}}}, {"database"}),
        (
            "what the server may use is the server's",
            {"database": {**DATABASE, "resources": {"limits": {"memory": "1Gi"}}}},
            {"database"},
        ),
        (
            "what becomes of the data is said on what holds it",
            {"database": {**DATABASE, "deletionPolicy": "Delete"}},
            {"credentials", "database"},
        ),
    ],
)
def test_an_edit_touches_only_what_it_is_about(says: str, edit: Object, touched: set[str]) -> None:
    assert changed(edit) == touched, says


def test_what_becomes_of_the_data_restarts_no_server() -> None:
    before = service(**FULL)
    after = service(**{**FULL, "database": {**DATABASE, "deletionPolicy": "Delete"}})
    seen = settled(before, observed())
    server = Ref("StatefulSet", "users-database")
    assert objects_of(reconcile(before, seen))[server] == objects_of(reconcile(after, seen))[server]


def visits(subject: Service, seen: Observed) -> list[set[str]]:
    """The kinds that are new at each visit; that it is asked what it offers delays none."""
    steps: list[set[str]] = []
    while True:
        plans = reconcile(subject, seen)
        wanted = objects_of([plan for plan in plans if plan.capability != "contracts"])
        fresh = {ref.kind for ref in wanted if ref not in seen.objects}
        if not fresh:
            return steps
        steps.append(fresh)
        seen = placed(seen, plans)


def test_things_start_in_the_order_they_stand_on_each_other() -> None:
    first, *later = visits(service(**FULL), observed())
    assert {"Secret", "NetworkPolicy", "PersistentVolumeClaim", "Service"} <= first
    assert later == [{"StatefulSet"}, {"Job"}, {"Deployment"}]


def test_no_two_passwords_are_in_one_binding() -> None:
    secrets = {r.name: o["data"] for r, o in settled(service(**FULL), observed()).objects.items() if r.kind == "Secret"}
    binding, owner = secrets["users-database"], secrets["users-database-owner"]
    server = secrets["users-database-server"]
    assert binding["password"] == server["app"] != owner["password"] == server["owner"]
    assert server["postgres"] not in {*binding.values(), *owner.values()}


def test_a_lost_secret_is_made_again_with_the_password_in_use() -> None:
    subject = service(**FULL)
    seen = settled(subject, observed())
    for lost in ("users-database", "users-database-owner"):
        kept = {ref: o for ref, o in seen.objects.items() if ref != Ref("Secret", lost)}
        plans = reconcile(subject, replace(seen, objects=kept, passwords=OTHERS))
        assert objects_of(plans)[Ref("Secret", lost)]["data"] == seen.objects[Ref("Secret", lost)]["data"]


def test_a_lost_server_secret_restarts_the_server_with_the_bindings_passwords() -> None:
    subject = service(**FULL)
    seen = settled(subject, observed())
    server = Ref("Secret", "users-database-server")
    kept = {ref: o for ref, o in seen.objects.items() if ref != server}
    made = objects_of(reconcile(subject, replace(seen, objects=kept, passwords=OTHERS)))[server]["data"]
    for role in ("app", "owner"):
        assert made[role] == seen.objects[server]["data"][role]
    assert made["postgres"] != seen.objects[server]["data"]["postgres"]


def test_a_new_image_waits_for_its_migration_and_the_pods_that_serve_are_kept() -> None:
    seen = settled(service(**FULL), observed())
    newer = service(**{**FULL, "image": "users:2"})
    plans = {plan.capability: plan for plan in reconcile(newer, seen)}
    migrations, endpoint = plans["migrations"], plans["workload"]
    assert [o["kind"] for o in migrations.objects] == ["Job"]
    assert Ref("Deployment", "users") not in objects_of([endpoint])
    assert endpoint.keep == {Ref("Deployment", "users")}


def test_a_database_that_restarts_takes_no_pod_down() -> None:
    subject = service(**FULL)
    seen = settled(subject, observed())
    server = Ref("StatefulSet", "users-database")
    down = replace(seen, objects={**seen.objects, server: {**seen.objects[server], "status": {}}})
    wanted = objects_of(reconcile(subject, down))
    assert {Ref("Deployment", "users"), server} <= wanted.keys()
    assert any(ref.kind == "Job" for ref in wanted)
