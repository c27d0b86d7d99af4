"""The status: the Ready summary, the pause before a write, events, and reports of faults."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import jsonschema
import pytest
from freehold.api import crd
from freehold.core import status
from freehold.core.contracts import published
from freehold.core.model import messages
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.events import Event
from freehold.core.model.resources import Key
from freehold.core.reconcile import report, report_invalid

from tests import offered
from tests.unit.core.worlds import DATABASE, IMAGE, NOW, observed, peer, peers, reconcile, service, settled

MET = Condition(Type.ISOLATION_ENFORCED, State.TRUE, Reason.POLICIES_APPLIED, "closed")
IN_PROGRESS = Condition(Type.DATABASE_READY, State.UNKNOWN, Reason.STARTING, "waiting for PostgreSQL")
FURTHER = replace(IN_PROGRESS, reason=Reason.VOLUME_PENDING, message="waiting for a volume")
BROKEN = Condition(Type.ENDPOINT_READY, State.FALSE, Reason.CRASH_LOOPING, "boom")
REFUSED = Condition(Type.DATABASE_READY, State.FALSE, Reason.REFUSED_BY_ADMISSION, "no quota")
WORSE = replace(BROKEN, reason=Reason.IMAGE_PULL_FAILED, message="no image")
TAKEN = Condition(Type.READY, State.FALSE, Reason.NAME_TAKEN, "Job users-migrations is not Freehold's")
SERVING = replace(BROKEN, state=State.TRUE, reason=Reason.AVAILABLE, message="1 of 1 pods serve")


@pytest.mark.parametrize(
    ("title", "conditions", "expected"),
    [
        ("all met", [MET, SERVING], (State.TRUE, Reason.READY, "2 of 2 conditions are met")),
        (
            "one in progress",
            [MET, IN_PROGRESS],
            (
                State.FALSE,
                Reason.STARTING,
                "1 of 2 conditions is not met; DatabaseReady: waiting for PostgreSQL",
            ),
        ),
        (
            "a refused reader and a refused probe, which serve no call",
            [MET, replace(REFUSED, type=Type.CONTRACT_PUBLISHED), replace(REFUSED, type=Type.ISOLATION_VERIFIED)],
            (State.TRUE, Reason.READY, "1 of 1 conditions are met"),
        ),
        (
            "a refused server",
            [MET, REFUSED],
            (State.FALSE, Reason.REFUSED_BY_ADMISSION, "1 of 2 conditions is not met; DatabaseReady: no quota"),
        ),
        (
            "a fault before progress",
            [IN_PROGRESS, BROKEN],
            (
                State.FALSE,
                Reason.CRASH_LOOPING,
                "2 of 2 conditions are not met; EndpointReady: boom",
            ),
        ),
    ],
)
def test_ready(title: str, conditions: list[Condition], expected: tuple[State, Reason, str]) -> None:
    """Ready repeats the first fault, or else the first condition in progress."""
    assert status.ready(conditions) == Condition(Type.READY, *expected), title


def written(
    *conditions: Condition, generation: int = 1, now: datetime = NOW, refused: Condition | None = None
) -> dict[str, Any]:
    """A status with these conditions, Ready first. refused: condition Ready of a refused object."""
    listed = [refused or status.ready(conditions), *conditions]
    return {"observedGeneration": generation, "conditions": status.entries(listed, generation, {}, now)}


@pytest.mark.parametrize(
    ("title", "before", "wanted", "seconds_later", "pause"),
    [
        ("the first status", {}, written(IN_PROGRESS), 0, 0.0),
        ("a new generation", written(IN_PROGRESS), written(IN_PROGRESS, generation=2), 1, 0.0),
        ("mere progress waits", written(IN_PROGRESS), written(FURTHER), 1, 9.0),
        ("mere progress after ten seconds", written(IN_PROGRESS), written(FURTHER), 10, 0.0),
        ("mere progress, long overdue", written(IN_PROGRESS), written(FURTHER), 500, 0.0),
        ("a refused object", written(IN_PROGRESS), written(IN_PROGRESS, refused=TAKEN), 1, 0.0),
        ("a fault", written(SERVING), written(BROKEN), 1, 0.0),
        ("another fault", written(BROKEN), written(WORSE), 1, 0.0),
        ("a corrected fault", written(BROKEN), written(SERVING), 1, 0.0),
        ("becoming ready", written(IN_PROGRESS), written(MET), 1, 0.0),
        (
            "becoming ready with the same conditions",
            written(replace(MET, state=State.UNKNOWN)),
            written(MET),
            1,
            0.0,
        ),
        ("another set of conditions", written(MET), written(MET, SERVING), 1, 0.0),
    ],
)
def test_pause(title: str, before: Any, wanted: Any, seconds_later: int, pause: float) -> None:
    """Urgent changes are written at once, mere progress after a pause."""
    assert status.pause(before, wanted, NOW + timedelta(seconds=seconds_later)) == pause, title


BOOM = Event("Warning", "CrashLooping", "EndpointReady: boom")


@pytest.mark.parametrize(
    ("title", "before", "wanted", "lines"),
    [
        ("first reconcile, in progress", {}, written(IN_PROGRESS), ()),
        ("first reconcile, with a fault", {}, written(BROKEN), (BOOM,)),
        ("a new fault", written(SERVING), written(BROKEN), (BOOM,)),
        ("the same fault", written(BROKEN), written(BROKEN), ()),
        (
            "another fault",
            written(BROKEN),
            written(WORSE),
            (Event("Warning", "ImagePullFailed", "EndpointReady: no image"),),
        ),
        (
            "a corrected fault",
            written(BROKEN),
            written(SERVING),
            (
                Event("Normal", "Ready", "1 of 1 conditions are met"),
                Event("Normal", "Available", "EndpointReady: 1 of 1 pods serve"),
            ),
        ),
        (
            "completed progress",
            written(IN_PROGRESS),
            written(replace(IN_PROGRESS, state=State.TRUE, reason=Reason.READY, message="serves")),
            (Event("Normal", "Ready", "1 of 1 conditions are met"),),
        ),
    ],
)
def test_events(title: str, before: Any, wanted: Any, lines: tuple[Event, ...]) -> None:
    """Faults, corrected faults and becoming ready give events."""
    assert status.events(before, wanted) == lines, title


def test_transition_time_changes_with_the_status() -> None:
    """The transition time changes only with the status of a condition."""
    later = NOW + timedelta(minutes=1)
    before = written(MET, IN_PROGRESS)
    kept, moved = status.entries([MET, replace(IN_PROGRESS, state=State.TRUE)], 2, before, later)
    assert kept["lastTransitionTime"] == "2026-01-02T03:04:05Z"
    assert moved["lastTransitionTime"] == "2026-01-02T03:05:05Z"
    assert kept["observedGeneration"] == moved["observedGeneration"] == 2


DIGEST = published.digest(offered.users())


def test_status_of_a_ready_service() -> None:
    """The whole status of a ready service with a database."""
    subject = service(database=DATABASE)
    seen = settled(subject, observed())
    result = report(Case(subject, seen), reconcile(subject, seen))
    conditions = result.status.pop("conditions")
    assert result.status == {
        "observedGeneration": 1,
        "replicas": 1,
        "selector": "app.kubernetes.io/instance=users,app.kubernetes.io/component=service,"
        "app.kubernetes.io/managed-by=freehold,!freehold.dev/probe",
        "endpoint": "users.shop.svc:50051",
        "contract": {"digest": DIGEST, "image": IMAGE, "configMap": "users-contract-873a616ef6"},
        "binding": {"name": "users-database"},
        "database": "postgresql 15, 1Gi",
        "data": {
            "claim": "users-database-data",
            "uid": "uid-of-PersistentVolumeClaim-users-database-data",
            "epoch": 1,
            "since": "2026-01-02T03:04:05Z",
        },
        "migrations": {"hash": "f94fd4c768", "image": IMAGE},
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
    assert [event.reason for event in result.events] == ["Ready"]


def test_invalid_spec_keeps_the_endpoint() -> None:
    """An invalid spec is reported in Ready alone, and the rest of the status is kept."""
    before = {**written(SERVING), "endpoint": "users.shop.svc:50051"}
    result = report_invalid(3, before, NOW, "spec.image: gone")
    assert result.status["endpoint"] == "users.shop.svc:50051"
    assert result.status["observedGeneration"] == 3
    (only,) = result.status["conditions"]
    assert (only["type"], only["status"], only["reason"]) == ("Ready", "False", "InvalidSpec")
    assert only["message"] == "spec.image: gone; running objects stay unchanged until the resource is corrected"
    assert [(event.type, event.reason) for event in result.events] == [("Warning", "InvalidSpec")]
    assert report_invalid(3, result.status, NOW + timedelta(hours=1), "spec.image: gone").events == ()


def test_refused_object_is_reported_by_ready() -> None:
    """A refused object is the reason of Ready, with an event."""
    subject = service()
    seen = settled(subject, observed())
    refused = Condition(Type.READY, State.FALSE, Reason.NAME_TAKEN, "Service users is not Freehold's")
    result = report(Case(subject, seen), reconcile(subject, seen), refused)
    assert result.status["conditions"][0]["reason"] == "NameTaken"
    assert result.events == (Event("Warning", "NameTaken", "Service users is not Freehold's"),)


def test_status_of_many_consumers_can_be_written() -> None:
    """The status of a provider with 700 consumers of the longest names passes the CRD's schema."""
    subject, namespace = service(grpc={"consumers": {"from": "All"}}), "n" * 63
    known = peers(*(peer(f"consumer-{number:031}", namespace, Key("shop", "users")) for number in range(700)))
    seen = observed(peers=known)
    result = report(Case(subject, seen), reconcile(subject, seen))
    jsonschema.validate(result.status, crd.openapi_schema()["properties"]["status"])
    enforced = next(c for c in result.status["conditions"] if c["type"] == "IsolationEnforced")
    assert enforced["message"].endswith(" and 692 more")
    assert all(len(c["message"].encode()) <= messages.LIMIT for c in result.status["conditions"])


def test_foreign_words_are_bounded_and_visible() -> None:
    """A log line of a tenant's pod reaches no condition and no Event raw, whatever its length and its characters."""
    hostile = Condition(
        Type.ENDPOINT_READY, State.FALSE, Reason.CRASH_LOOPING, "\x1b]52;c;ZXZpbA==\x07" + "é\n" * 40_000
    )
    wanted = written(hostile)
    jsonschema.validate(wanted, crd.openapi_schema()["properties"]["status"])
    notes = [event.note for event in status.events({}, wanted)]
    for text in (*(entry["message"] for entry in wanted["conditions"]), *notes):
        assert len(text.encode()) <= messages.LIMIT
        assert text.isprintable()
    assert notes[0].startswith("EndpointReady: ␛]52;c;ZXZpbA==␇é␊")
