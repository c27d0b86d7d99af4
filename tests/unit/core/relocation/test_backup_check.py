"""A backup is asked for before a move copies the data, and of nobody who moves already."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from freehold.core.model.resources import Object, Observed, Service
from freehold.core.objects import meta

from tests.unit.core.peers.test_counterpart import CLAIM, HERE, SERVER, THERE, Two, apart, goes, stays, takes
from tests.unit.core.relocation.test_plan import SECOND, SECOND_CLAIM, A, B, leads_to, relocated, stands, steps, users
from tests.unit.core.worlds import NOW, placed, reconcile

FRESH, OLD = "2026-01-02T02:04:06Z", "2026-01-02T02:04:04Z"
"""A second less than an hour before NOW, and a second more."""


def asking(made: str | None, placement: Object = B, within: str = "1h") -> Service:
    annotations = {} if made is None else {meta.LAST_BACKUP_AT: made}
    return users({**placement, "maxBackupAge": within}, annotations)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (None, "no backup of the data is known"),
        ("", "no backup of the data is known"),
        ("yesterday", "is said to be of 'yesterday', which is no time"),
        ("2026-01-02T03:00:00", "is said to be of '2026-01-02T03:00:00', which is no time with a time zone"),
        ("9" * 1000, f"is said to be of '{'9' * 40}', which is no time"),
        (OLD, f"the last backup of the data is of {OLD}, and spec.placement.maxBackupAge asks for one within 1h"),
        ("0001-01-01T00:00:00+14:00", "the last backup of the data is of 0001-01-01"),
        ("2026-01-02T03:09:06Z", "is said to be of 2026-01-02T03:09:06Z, which is yet to come"),
    ],
    ids=["missing", "empty", "unreadable", "without a zone", "endless", "too old", "as old as can be", "to come"],
)
def test_a_move_does_not_begin_without_the_backup_that_it_asks_for(made: str | None, message: str) -> None:
    said, seen = steps(asking(made), stands())
    assert said == ["MoveBlocked"] and not {SECOND, SECOND_CLAIM} & seen.objects.keys()
    told = relocated(seen.status)
    assert told["status"] == "False" and message in told["message"]
    assert "kubectl annotate microservice users -n shop freehold.dev/last-backup-at=TIME --overwrite" in told["message"]
    assert (
        told["message"].endswith("it stays at zone=a, class standard meanwhile")
        and leads_to(seen) == "users-database-0"
    )
    assert steps(asking(FRESH), seen)[0][-1] == "Relocated", "it goes on once that is put right"


@pytest.mark.parametrize("made", [FRESH, "2026-01-02T04:04:06+02:00", "2026-01-02T03:04:05.5Z", "2026-01-02T03:09:05Z"])
def test_a_move_begins_where_there_is_a_backup(made: str) -> None:
    assert steps(asking(made), stands())[0][-1] == "Relocated"


def test_where_none_is_asked_for_none_is_needed() -> None:
    assert steps(users(B, {meta.LAST_BACKUP_AT: OLD}), stands())[0][-1] == "Relocated"


def late(seen: Observed, hours: float = 2) -> Observed:
    return replace(seen, now=NOW + timedelta(hours=hours))


def test_a_move_that_has_begun_goes_on_whatever_the_backup_s_age() -> None:
    begun = stands()
    begun = placed(begun, reconcile(asking(FRESH), begun))
    assert SECOND in begun.objects
    said, _ = steps(asking(FRESH), late(begun))
    assert "MoveBlocked" not in said and said[-1] == "Relocated"


def test_a_copy_that_is_made_anew_while_clients_are_at_the_door_asks_no_more() -> None:
    begun = stands()
    for _ in range(4):
        begun = placed(begun, reconcile(asking(FRESH), begun))
    assert any(ref.kind == "Job" and "switch" in ref.name for ref in begun.objects)
    lost = {ref: live for ref, live in begun.objects.items() if ref != SECOND and "switch" not in ref.name}
    assert leads_to(begun) == "users-database-proxy-0"
    assert "MoveBlocked" not in steps(asking(FRESH), late(replace(begun, objects=lost)))[0]


def test_the_way_back_copies_nothing_and_so_asks_for_no_backup() -> None:
    _, there = steps(asking(FRESH), stands())
    half = late(there, 0.5)
    said, back = steps(asking(OLD, A, "1min"), half)
    assert "MoveBlocked" not in said and leads_to(back) == "users-database-0"


def backed_up(one: Service, made: str) -> Service:
    return replace(one, annotations={meta.LAST_BACKUP_AT: made})


def within(one: Service, time: str) -> Service:
    placement = one.spec.placement.model_copy(update={"max_backup_age": time})
    return replace(one, spec=one.spec.model_copy(update={"placement": placement}))


def both(going: Service, taking: Service) -> Two:
    two = apart()
    two.edit(taking)
    two.edit(going)
    two.rest()
    return two


@pytest.mark.parametrize(
    ("going", "taking"),
    [
        (within(goes(), "1h"), takes()),
        (goes(), within(takes(), "1h")),
        (within(goes(), "24h"), within(takes(), "1h")),
        (within(goes(), "1h"), within(takes(), "24h")),
    ],
    ids=["the one that goes", "the one that takes over", "the latter's is shorter", "the former's is shorter"],
)
def test_either_side_asks_and_the_one_that_has_the_data_says(going: Service, taking: Service) -> None:
    taking = backed_up(taking, FRESH)  # of data that is not there yet this says nothing
    two = both(backed_up(going, OLD), taking)
    assert two.said[THERE] == ["", "MoveBlocked"] and CLAIM not in two.objects(THERE)
    for key in (THERE, HERE):
        told = relocated(two.seen[key].status)
        assert told["reason"] == "MoveBlocked" and f"is of {OLD}, and" in told["message"]
        assert "asks for one within 1h" in told["message"] and "microservice users -n shop " in told["message"]
    two.edit(backed_up(going, FRESH))
    two.rest()
    assert two.owners() == {"people"}


def test_the_copy_on_the_other_side_goes_on_once_it_has_begun() -> None:
    going = backed_up(within(goes(), "1h"), FRESH)
    two = apart()
    two.edit(takes())
    two.edit(going)
    for key in (THERE, HERE, THERE):
        two.look(key)
    assert SERVER in two.objects(THERE)
    two.edit(backed_up(going, OLD))
    two.rest()
    assert "MoveBlocked" not in two.said[THERE] and two.owners() == {"people"}


def test_back_again_after_its_time_the_one_that_then_has_the_data_is_asked() -> None:
    taking = within(takes(), "1h")
    two = both(backed_up(goes(), FRESH), taking)
    two.seen = {key: late(seen) for key, seen in two.seen.items()}
    two.rest()
    two.edit(backed_up(stays(), "2026-01-02T05:00:00Z"))
    two.rest()
    assert two.owners() == {"people"}
    assert "microservice users -n people " in relocated(two.seen[HERE].status)["message"]
    two.edit(backed_up(taking, "2026-01-02T05:00:00Z"))
    two.rest()
    assert two.objects(THERE)[CLAIM]["metadata"]["annotations"][meta.DATA_MOVED_TO] == "shop"
    assert leads_to(two.seen[HERE]) == "users-database-2-0"
