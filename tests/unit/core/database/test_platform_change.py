"""Changes of the platform to a database server: told from those of the owner, held until the turn, and recorded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from freehold.core.database import platform_change
from freehold.core.model.conditions import Type
from freehold.core.model.resources import Object, Observed, Plan, Platform, Ref, Service, Turn
from freehold.core.objects import meta

from tests.unit.core.worlds import DATABASE, IMAGE, NOW, objects_of, observed, reconcile, service, settled

SERVER, FILES = Ref("StatefulSet", "users-database"), Ref("ConfigMap", "users-database-configuration")
OTHER = Platform("mirror.example/postgres:{version}", "localhost/freehold/operator:dev")
LARGER = {**DATABASE, "limits": {"connections": 90}}
DONE = {"currentRevision": "b", "updateRevision": "b"}
HALFWAY = {"currentRevision": "a", "updateRevision": "b"}


def users(database: Object = DATABASE, **spec: Any) -> Service:
    return service(database=database, **spec)


def served(subject: Service | None = None, **status: Any) -> Observed:
    """Return a cluster at rest, with the StatefulSet as the operator writes it. status: of the StatefulSet."""
    seen = settled(subject or users(), observed())
    return with_server(seen, {**seen.objects[SERVER]["status"], **DONE, **status})


def with_server(seen: Observed, status: Object, body: Object | None = None) -> Observed:
    live = body or seen.objects[SERVER]
    notes = {**live["metadata"].get("annotations", {}), meta.APPLIED_HASH: "applied"}
    live = {**live, "metadata": {**live["metadata"], "annotations": notes}, "status": status}
    return replace(seen, objects={**seen.objects, SERVER: live})


def planned(seen: Observed, subject: Service | None = None, **fields: Any) -> tuple[Plan, str, Object | None]:
    """Return the plan of capability database, the message of its condition, and the planned StatefulSet."""
    plans = reconcile(subject or users(), replace(seen, **fields))
    plan = next(plan for plan in plans if plan.capability == "database")
    assert plan.condition and plan.condition.type is Type.DATABASE_READY
    return plan, plan.condition.message, objects_of([plan]).get(SERVER)


def changed_at(body: Object | None) -> str | None:
    found: str | None = (body or {"metadata": {}})["metadata"].get("annotations", {}).get(meta.PLATFORM_CHANGE_AT)
    return found


def test_platform_change_none() -> None:
    """At rest no turn is needed, and nothing is recorded."""
    plan, message, body = planned(served(), database_turn=False)
    assert plan.turn is Turn.NONE and body and changed_at(body) is None and "platform" not in message


def test_platform_change_waits() -> None:
    """Without a turn, server and files stay as they are, and the condition stays True and says what waits."""
    plan, message, body = planned(served(), platform=OTHER, database_turn=False)
    assert plan.turn is Turn.WAITING and body is None and {SERVER, FILES} <= plan.keep
    assert FILES not in objects_of([plan])
    assert plan.condition and plan.condition.state == "True"
    assert message.endswith("; a change of the platform waits for its turn")


def test_platform_change_taken() -> None:
    """With a turn the server is changed, and the time is recorded; the next plan changes nothing."""
    seen = served()
    plan, _, body = planned(seen, platform=OTHER)
    assert plan.turn is Turn.TAKEN and body and changed_at(body) == "2026-01-02T03:04:05Z"
    status = {**seen.objects[SERVER]["status"], "observedGeneration": 1, **HALFWAY, "readyReplicas": 0}
    after = with_server(seen, status, {**body, "metadata": {**body["metadata"], "generation": 1}})
    plan, message, again = planned(after, platform=OTHER, database_turn=False)
    assert plan.turn is Turn.NONE and again and again["metadata"]["annotations"] == body["metadata"]["annotations"]
    assert message.endswith("; a change of the platform restarted the server, and other databases wait for this one")
    assert plan.retry_after == 600


@pytest.mark.parametrize(
    ("subject", "fields"),
    [
        (users(LARGER), {}),
        (users({**DATABASE, "resources": {"limits": {"memory": "1Gi"}}}), {}),
        (users(placement={"nodeSelector": {"zone": "a"}}), {}),
        (users(isolation="Audit"), {}),
        (users(LARGER), {"platform": OTHER}),
    ],
    ids=["limits", "resources", "nodes", "audit", "with a change of the platform"],
)
def test_platform_change_owner_never_waits(subject: Service, fields: Any) -> None:
    """A change that the owner of a service declares needs no turn and stops no other database."""
    plan, _, body = planned(served(), subject, database_turn=False, **fields)
    assert plan.turn is Turn.NONE and body and changed_at(body) is None


@pytest.mark.parametrize("subject", [users(image=f"{IMAGE}2"), users(replicas=3)], ids=["image", "replicas"])
def test_platform_change_other_edits(subject: Service) -> None:
    """An edit of the resource that does not concern the server lets no change of the platform through."""
    plan, _, body = planned(served(), subject, platform=OTHER, database_turn=False)
    assert plan.turn is Turn.WAITING and body is None


def test_platform_change_down_before() -> None:
    """A server that is down needs no turn, since nobody loses it, and then stops no other database."""
    plan, _, body = planned(served(readyReplicas=0), platform=OTHER, database_turn=False)
    assert plan.turn is Turn.NONE and body and changed_at(body) is None


def test_platform_change_stays_counted() -> None:
    """A server that went down by a change still counts after another change, of the platform or of the owner."""
    seen = served(readyReplicas=0, **HALFWAY)
    live = seen.objects[SERVER]
    before = {**live["metadata"]["annotations"], meta.PLATFORM_CHANGE_AT: "2026-01-02T03:00:00Z"}
    marked = with_server(seen, live["status"], {**live, "metadata": {**live["metadata"], "annotations": before}})
    for subject, fields in ((users(), {"platform": OTHER}), (users(LARGER), {})):
        plan, _, body = planned(marked, subject, database_turn=False, **fields)
        assert plan.turn is Turn.NONE and changed_at(body) == "2026-01-02T03:00:00Z"


def test_platform_change_earlier_release() -> None:
    """A server of a release without these records takes a turn."""
    seen = served()
    live = seen.objects[SERVER]
    bare = {**live, "metadata": {**live["metadata"], "annotations": {}}}
    plan, _, body = planned(with_server(seen, live["status"], bare), database_turn=False)
    assert plan.turn is Turn.WAITING and body is None


def test_platform_change_drift() -> None:
    """A pod template that somebody edited is put right at once."""
    seen = served()
    live = seen.objects[SERVER]
    edited = {**live, "spec": {**live["spec"], "template": {}}}
    plan, _, body = planned(with_server(seen, live["status"], edited), database_turn=False)
    assert plan.turn is Turn.NONE and body


@pytest.mark.parametrize(
    ("note", "status", "under_way"),
    [
        ("2026-01-02T03:00:00Z", {"observedGeneration": 2, **HALFWAY}, True),
        ("2026-01-02T03:00:00Z", {"observedGeneration": 1, **DONE}, True),
        ("2026-01-02T03:00:00Z", {"observedGeneration": 2, **DONE}, False),
        ("2026-01-02T03:00:00Z", {"observedGeneration": 2, **DONE, "readyReplicas": 0}, False),
        ("2026-01-02T03:00:00", {"observedGeneration": 2, **HALFWAY}, False),
        ("soon", {"observedGeneration": 2, **HALFWAY}, False),
        (None, {"observedGeneration": 2, **HALFWAY}, False),
    ],
    ids=["not ready yet", "not seen yet", "complete", "down later", "no zone", "no time", "of the owner"],
)
def test_platform_change_under_way(note: str | None, status: Object, under_way: bool) -> None:
    """A change is under way until the controller reports the new revision as current, which it does once."""
    notes = {meta.PLATFORM_CHANGE_AT: note} if note else {}
    live = {"metadata": {"generation": 2, "annotations": notes}, "status": status}
    since = platform_change.under_way_since(live)
    assert (since is not None) is under_way and (since is None or since < NOW)
