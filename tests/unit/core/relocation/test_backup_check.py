"""Backup check: a move with `maxBackupAge` waits for a recorded backup before the initial copy, and only then."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from freehold.core.model.resources import Object, Observed, Service
from freehold.core.objects import meta

from tests.unit.core import sides
from tests.unit.core.relocation.zone_moves import (
    SECOND,
    SECOND_CLAIM,
    A,
    B,
    at_rest,
    client_pod,
    relocated,
    steps,
    users,
)
from tests.unit.core.sides import CLAIM, HERE, SERVER, THERE, Sides, apart
from tests.unit.core.worlds import NOW, placed, reconcile

FRESH, OLD = "2026-01-02T02:04:06Z", "2026-01-02T02:04:04Z"
"""A second less than an hour before NOW, and a second more."""


def requiring(recorded: str | None, placement: Object = B, max_age: str = "1h") -> Service:
    """Return users with `maxBackupAge`, and the time of a backup if one is recorded."""
    annotations = {} if recorded is None else {meta.LAST_BACKUP_AT: recorded}
    return users({**placement, "maxBackupAge": max_age}, annotations)


@pytest.mark.parametrize(
    ("recorded", "message"),
    [
        (None, "no backup of the data is recorded"),
        ("", "no backup of the data is recorded"),
        ("yesterday", "the recorded time of the last backup, 'yesterday', is no time"),
        ("2026-01-02T03:00:00", "last backup, '2026-01-02T03:00:00', is no time with a time zone"),
        ("9" * 1000, f"last backup, '{'9' * 40}', is no time"),
        (OLD, f"the last backup of the data is of {OLD}; spec.placement.maxBackupAge requires one within 1h"),
        ("0001-01-01T00:00:00+14:00", "the last backup of the data is of 0001-01-01"),
        ("2026-01-02T03:09:06Z", "last backup, 2026-01-02T03:09:06Z, is in the future"),
    ],
    ids=["missing", "empty", "unreadable", "without a zone", "endless", "too old", "oldest", "in the future"],
)
def test_backup_missing_blocks_move(recorded: str | None, message: str) -> None:
    """A move does not start without the required backup, and starts once a backup is recorded."""
    reasons, seen = steps(requiring(recorded), at_rest())
    assert reasons == ["MoveBlocked"] and not {SECOND, SECOND_CLAIM} & seen.objects.keys()
    condition = relocated(seen.status)
    assert condition["status"] == "False" and message in condition["message"]
    command = "kubectl annotate microservice users -n shop freehold.dev/last-backup-at=TIME --overwrite"
    assert command in condition["message"]
    assert condition["message"].endswith("the service stays at zone=a, class standard")
    assert client_pod(seen) == "users-database-0"
    assert steps(requiring(FRESH), seen)[0][-1] == "Relocated", "the move continues once a backup is recorded"


@pytest.mark.parametrize(
    "recorded", [FRESH, "2026-01-02T04:04:06+02:00", "2026-01-02T03:04:05.5Z", "2026-01-02T03:09:05Z"]
)
def test_backup_recent_allows_move(recorded: str) -> None:
    """A move starts with a recent backup, in any time zone and within the clock skew."""
    assert steps(requiring(recorded), at_rest())[0][-1] == "Relocated"


def test_backup_not_required() -> None:
    """Without `maxBackupAge` the age of a backup does not matter."""
    assert steps(users(B, {meta.LAST_BACKUP_AT: OLD}), at_rest())[0][-1] == "Relocated"


def late(seen: Observed, hours: float = 2) -> Observed:
    return replace(seen, now=NOW + timedelta(hours=hours))


def test_backup_ages_during_move() -> None:
    """A move that has started continues, whatever the age of the backup."""
    started = at_rest()
    started = placed(started, reconcile(requiring(FRESH), started))
    assert SECOND in started.objects
    reasons, _ = steps(requiring(FRESH), late(started))
    assert "MoveBlocked" not in reasons and reasons[-1] == "Relocated"


def test_backup_for_repeated_copy() -> None:
    """An initial copy that is repeated while clients use the database proxy needs no new backup."""
    started = at_rest()
    for _ in range(4):
        started = placed(started, reconcile(requiring(FRESH), started))
    assert any(ref.kind == "Job" and "switch" in ref.name for ref in started.objects)
    lost = {ref: live for ref, live in started.objects.items() if ref != SECOND and "switch" not in ref.name}
    assert client_pod(started) == "users-database-proxy-0"
    assert "MoveBlocked" not in steps(requiring(FRESH), late(replace(started, objects=lost)))[0]


def test_backup_for_rollback() -> None:
    """A rollback copies nothing and needs no backup."""
    _, moved = steps(requiring(FRESH), at_rest())
    reasons, back = steps(requiring(OLD, A, "1min"), late(moved, 0.5))
    assert "MoveBlocked" not in reasons and client_pod(back) == "users-database-0"


def backed_up(service: Service, recorded: str) -> Service:
    return replace(service, annotations={meta.LAST_BACKUP_AT: recorded})


def within(service: Service, age: str) -> Service:
    placement = service.spec.placement.model_copy(update={"max_backup_age": age})
    return replace(service, spec=service.spec.model_copy(update={"placement": placement}))


def both(source: Service, destination: Service) -> Sides:
    """Return the two sides after the declaration of a move, at rest."""
    two = apart()
    two.edit(destination)
    two.edit(source)
    two.settle()
    return two


@pytest.mark.parametrize(
    ("source", "destination"),
    [
        (within(sides.source(), "1h"), sides.destination()),
        (sides.source(), within(sides.destination(), "1h")),
        (within(sides.source(), "24h"), within(sides.destination(), "1h")),
        (within(sides.source(), "1h"), within(sides.destination(), "24h")),
    ],
    ids=["source", "destination", "destination is shorter", "source is shorter"],
)
def test_backup_required_by_either_side(source: Service, destination: Service) -> None:
    """Either side may require a backup; the side with the data records the backup, and the shorter age counts."""
    destination = backed_up(destination, FRESH)  # does not count: the data is at the source
    two = both(backed_up(source, OLD), destination)
    assert two.reasons[THERE] == ["", "MoveBlocked"] and CLAIM not in two.objects(THERE)
    for key in (THERE, HERE):
        condition = relocated(two.seen[key].status)
        assert condition["reason"] == "MoveBlocked" and f"is of {OLD};" in condition["message"]
        assert (
            "requires one within 1h" in condition["message"] and "microservice users -n shop " in condition["message"]
        )
    two.edit(backed_up(source, FRESH))
    two.settle()
    assert two.owners() == {"people"}


def test_backup_ages_during_namespace_move() -> None:
    """A copy at the destination continues once started, whatever the age of the backup."""
    source = backed_up(within(sides.source(), "1h"), FRESH)
    two = apart()
    two.edit(sides.destination())
    two.edit(source)
    for key in (THERE, HERE, THERE, THERE):
        two.reconcile(key)
    assert SERVER in two.objects(THERE)
    two.edit(backed_up(source, OLD))
    two.settle()
    assert "MoveBlocked" not in two.reasons[THERE] and two.owners() == {"people"}


def test_backup_for_late_return() -> None:
    """After the rollback window a return copies again, and the backup is recorded where the data is."""
    destination = within(sides.destination(), "1h")
    two = both(backed_up(sides.source(), FRESH), destination)
    two.seen = {key: late(seen) for key, seen in two.seen.items()}
    two.settle()
    two.edit(backed_up(sides.staying(), "2026-01-02T05:00:00Z"))
    two.settle()
    assert two.owners() == {"people"}
    assert "microservice users -n people " in relocated(two.seen[HERE].status)["message"]
    two.edit(backed_up(destination, "2026-01-02T05:00:00Z"))
    two.settle()
    assert two.objects(THERE)[CLAIM]["metadata"]["annotations"][meta.DATA_MOVED_TO] == "shop"
    assert client_pod(two.seen[HERE]) == "users-database-2-0"
