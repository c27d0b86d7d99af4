"""Status: one answer folded from all, written when it matters, with a line for what turned."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from freehold.core import status
from freehold.core.contracts import published
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Event, Reason, State, Type
from freehold.core.reconcile import report, report_invalid

from tests import offered
from tests.unit.core.worlds import DATABASE, IMAGE, NOW, observed, reconcile, service, settled

WELL = Condition(Type.ISOLATION_ENFORCED, State.TRUE, Reason.POLICIES_APPLIED, "closed")
UNDER_WAY = Condition(Type.DATABASE_READY, State.UNKNOWN, Reason.STARTING, "waiting for PostgreSQL")
FARTHER = replace(UNDER_WAY, reason=Reason.VOLUME_PENDING, message="waiting for a volume")
BROKEN = Condition(Type.ENDPOINT_READY, State.FALSE, Reason.CRASH_LOOPING, "boom")
WORSE = replace(BROKEN, reason=Reason.IMAGE_PULL_FAILED, message="no image")
TAKEN = Condition(Type.READY, State.FALSE, Reason.NAME_TAKEN, "Job users-migrations is not Freehold's")
SERVES = replace(BROKEN, state=State.TRUE, reason=Reason.AVAILABLE, message="1 of 1 pods serve")


@pytest.mark.parametrize(
    ("says", "conditions", "expected"),
    [
        ("all is well", [WELL, SERVES], (State.TRUE, Reason.READY, "2 of 2 conditions are met")),
        (
            "one is under way",
            [WELL, UNDER_WAY],
            (
                State.FALSE,
                Reason.STARTING,
                "1 of 2 conditions is not met; DatabaseReady: waiting for PostgreSQL",
            ),
        ),
        (
            "what needs somebody goes before what passes by itself",
            [UNDER_WAY, BROKEN],
            (
                State.FALSE,
                Reason.CRASH_LOOPING,
                "2 of 2 conditions are not met; EndpointReady: boom",
            ),
        ),
    ],
)
def test_ready(says: str, conditions: list[Condition], expected: tuple[State, Reason, str]) -> None:
    assert status.ready(conditions) == Condition(Type.READY, *expected), says


def written(
    *conditions: Condition, generation: int = 1, now: datetime = NOW, refused: Condition | None = None
) -> dict[str, Any]:
    """A status that says this, Ready first. refused: what Ready says of itself."""
    whole = [refused or status.ready(conditions), *conditions]
    return {"observedGeneration": generation, "conditions": status.entries(whole, generation, {}, now)}


@pytest.mark.parametrize(
    ("says", "before", "wanted", "seconds_later", "pause"),
    [
        ("the first status is written at once", {}, written(UNDER_WAY), 0, 0.0),
        ("a new generation is answered at once", written(UNDER_WAY), written(UNDER_WAY, generation=2), 1, 0.0),
        ("mere progress waits", written(UNDER_WAY), written(FARTHER), 1, 9.0),
        ("mere progress is due in the end", written(UNDER_WAY), written(FARTHER), 10, 0.0),
        ("and never overdue", written(UNDER_WAY), written(FARTHER), 500, 0.0),
        ("what the cluster refuses is said at once", written(UNDER_WAY), written(UNDER_WAY, refused=TAKEN), 1, 0.0),
        ("what breaks is said at once", written(SERVES), written(BROKEN), 1, 0.0),
        ("what breaks otherwise is said at once", written(BROKEN), written(WORSE), 1, 0.0),
        ("what is put right is said at once", written(BROKEN), written(SERVES), 1, 0.0),
        ("becoming ready is said at once", written(UNDER_WAY), written(WELL), 1, 0.0),
        (
            "becoming ready with the same conditions too",
            written(replace(WELL, state=State.UNKNOWN)),
            written(WELL),
            1,
            0.0,
        ),
        ("another set of conditions is said at once", written(WELL), written(WELL, SERVES), 1, 0.0),
    ],
)
def test_pause(says: str, before: Any, wanted: Any, seconds_later: int, pause: float) -> None:
    assert status.pause(before, wanted, NOW + timedelta(seconds=seconds_later)) == pause, says


BOOM = Event("Warning", "CrashLooping", "EndpointReady: boom")


@pytest.mark.parametrize(
    ("says", "before", "wanted", "lines"),
    [
        ("a first visit with all under way", {}, written(UNDER_WAY), ()),
        ("a first visit with something broken", {}, written(BROKEN), (BOOM,)),
        ("it broke", written(SERVES), written(BROKEN), (BOOM,)),
        ("it is broken still", written(BROKEN), written(BROKEN), ()),
        (
            "it is broken otherwise",
            written(BROKEN),
            written(WORSE),
            (Event("Warning", "ImagePullFailed", "EndpointReady: no image"),),
        ),
        (
            "it was put right",
            written(BROKEN),
            written(SERVES),
            (
                Event("Normal", "Ready", "1 of 1 conditions are met"),
                Event("Normal", "Available", "EndpointReady: 1 of 1 pods serve"),
            ),
        ),
        (
            "what was under way is done",
            written(UNDER_WAY),
            written(replace(UNDER_WAY, state=State.TRUE, reason=Reason.READY, message="serves")),
            (Event("Normal", "Ready", "1 of 1 conditions are met"),),
        ),
    ],
)
def test_events(says: str, before: Any, wanted: Any, lines: tuple[Event, ...]) -> None:
    assert status.events(before, wanted) == lines, says


def test_the_transition_time_moves_only_when_the_status_does() -> None:
    later = NOW + timedelta(minutes=1)
    before = written(WELL, UNDER_WAY)
    kept, moved = status.entries([WELL, replace(UNDER_WAY, state=State.TRUE)], 2, before, later)
    assert kept["lastTransitionTime"] == "2026-01-02T03:04:05Z"
    assert moved["lastTransitionTime"] == "2026-01-02T03:05:05Z"
    assert kept["observedGeneration"] == moved["observedGeneration"] == 2


DIGEST = published.digest(offered.users())


def test_the_whole_status_of_a_service_that_is_well() -> None:
    subject = service(database=DATABASE)
    seen = settled(subject, observed())
    said = report(Case(subject, seen), reconcile(subject, seen))
    conditions = said.status.pop("conditions")
    assert said.status == {
        "observedGeneration": 1,
        "replicas": 1,
        "selector": "app.kubernetes.io/instance=users,app.kubernetes.io/component=service,"
        "app.kubernetes.io/managed-by=freehold,!freehold.dev/probe",
        "endpoint": "users.shop.svc:50051",
        "contract": {"digest": DIGEST, "image": IMAGE, "configMap": "users-contract-873a616ef6"},
        "binding": {"name": "users-database"},
        "database": "postgresql 15, 1Gi",
    }
    assert [c["type"] for c in conditions] == [
        "Ready",
        "IsolationEnforced",
        "CredentialsReady",
        "CertificatesReady",
        "DatabaseReady",
        "ContractPublished",
        "MigrationsApplied",
        "EndpointReady",
        "IsolationVerified",
    ]
    assert [event.reason for event in said.events] == ["Ready"]


def test_a_resource_that_cannot_be_read_keeps_what_was_said_of_where_it_is_reached() -> None:
    before = {**written(SERVES), "endpoint": "users.shop.svc:50051"}
    said = report_invalid(3, before, NOW, "spec.image: gone")
    assert said.status["endpoint"] == "users.shop.svc:50051"
    assert said.status["observedGeneration"] == 3
    (only,) = said.status["conditions"]
    assert (only["type"], only["status"], only["reason"]) == ("Ready", "False", "InvalidSpec")
    assert only["message"] == "spec.image: gone; what runs goes on unchanged until the resource is corrected"
    assert [(event.type, event.reason) for event in said.events] == [("Warning", "InvalidSpec")]
    assert report_invalid(3, said.status, NOW + timedelta(hours=1), "spec.image: gone").events == ()


def test_what_the_cluster_refused_is_what_ready_repeats() -> None:
    subject = service()
    seen = settled(subject, observed())
    refused = Condition(Type.READY, State.FALSE, Reason.NAME_TAKEN, "Service users is not Freehold's")
    said = report(Case(subject, seen), reconcile(subject, seen), refused)
    assert said.status["conditions"][0]["reason"] == "NameTaken"
    assert said.events == (Event("Warning", "NameTaken", "Service users is not Freehold's"),)
