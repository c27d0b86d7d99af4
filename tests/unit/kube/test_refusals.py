"""Refusals of pods, by the Events of controllers and of whoever else may create Events in a namespace."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from freehold.core.model.findings import Findings
from freehold.core.model.resources import Key, Object, Ref
from freehold.kube import kinds, observation, refusals
from freehold.kube.cache import Cache
from freehold.kube.client import Api
from freehold.kube.refusals import Refusals
from freehold.kube.watch import Watch
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.worlds import AUTHORITY, NOW, PLATFORM, service
from tests.unit.kube.test_hostile_objects import JSON

USERS = Key("shop", "users")
SERVER = Ref("StatefulSet", "users-database")


def owned(kind: str = "StatefulSet", name: str = "users-database", uid: str = "server", **metadata: Any) -> Object:
    labels = {"app.kubernetes.io/instance": "users"}
    common = {"name": name, "namespace": "shop", "uid": uid, "resourceVersion": "1", "labels": labels}
    return {"kind": kind, "metadata": {**common, **metadata}}


def event(note: str = "forbidden", minute: int = 0, uid: str = "server", **fields: Any) -> Object:
    """Return an Event about the server, of so many minutes after NOW."""
    at = stamp(NOW + timedelta(minutes=minute))
    return {
        "kind": "Event",
        "metadata": {"name": "x", "namespace": "shop", "uid": "e", "resourceVersion": "1", "creationTimestamp": at},
        "regarding": {"kind": SERVER.kind, "namespace": "shop", "name": SERVER.name, "uid": uid},
        "deprecatedLastTimestamp": at,
        "note": note,
        **fields,
    }


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def pod(created: datetime, uid: str = "server") -> Object:
    owner = {"kind": SERVER.kind, "name": SERVER.name, "uid": uid, "controller": True}
    return owned("Pod", "users-database-0", "pod", creationTimestamp=stamp(created), ownerReferences=[owner])


class World:
    """A cache with a service's StatefulSet, and refusals. now: the time. woken: the services that were woken."""

    def __init__(self) -> None:
        self.now = NOW + timedelta(minutes=30)
        self.woken: list[Key] = []
        self.cache = Cache(lambda _: None)
        self.cache.put_owned(owned())
        self.refusals = Refusals(self.cache, self.woken.append, lambda: self.now)

    def note(self) -> str:
        found = self.refusals.get(("shop", SERVER))
        return found.note if found else ""


def test_last_refusal_kept() -> None:
    """The last refusal of an object counts, whatever the order of Events; what says nothing new wakes nobody."""
    world = World()
    world.refusals.put(event("used: 1", minute=1))
    world.refusals.put(event("used: 3", minute=3))
    world.refusals.put(event("used: 2", minute=2))
    world.refusals.put(event("used: 3", minute=4))
    assert (world.note(), world.woken) == ("used: 3", [USERS, USERS])
    found = world.refusals["shop", SERVER]
    assert (found.since, found.at) == (NOW + timedelta(minutes=1), NOW + timedelta(minutes=4))


@pytest.mark.parametrize(
    ("description", "fields", "minute"),
    [
        ("only an eventTime", {"eventTime": "2026-01-02T03:08:05.123456Z", "deprecatedLastTimestamp": None}, 4),
        ("a series", {"series": {"count": 2, "lastObservedTime": "2026-01-02T03:09:05.000000Z"}}, 5),
        ("only the creation", {"deprecatedLastTimestamp": None}, 0),
    ],
)
def test_time_of_last_occurrence(description: str, fields: Object, minute: int) -> None:
    """The time of an Event is that of its last occurrence, by whichever field of the API."""
    world = World()
    world.refusals.put(event(**fields))
    at = world.refusals["shop", SERVER].at.replace(microsecond=0)
    assert at == NOW + timedelta(minutes=minute), description


@pytest.mark.parametrize(
    ("description", "forged"),
    [
        ("another object's uid", event(uid="other")),
        ("an object that is not Freehold's", event(regarding={**event()["regarding"], "name": "other"})),
        ("an object of another namespace", event(regarding={**event()["regarding"], "namespace": "evil"})),
        ("an Event of another namespace", {**event(), "metadata": {**event()["metadata"], "namespace": "evil"}}),
        ("one that is out of date", event(minute=-31)),
    ],
)
def test_unrelated_events_ignored(description: str, forged: Object) -> None:
    """Only Events of an object's own namespace, about the object that exists, are believed."""
    world = World()
    world.refusals.put(forged)
    assert not world.refusals and not world.woken, description


def test_future_refusal_is_of_now() -> None:
    """A forged time in the future makes no refusal outlast the next pod."""
    world = World()
    world.refusals.put(event(minute=500_000))
    assert world.refusals["shop", SERVER].at == world.now
    world.refusals.forget(pod(world.now + timedelta(seconds=5)))
    assert not world.refusals


def test_newer_pod_ends_refusal() -> None:
    """A pod that was created after a refusal ends the refusal; an older one, or a stranger's, does not."""
    world = World()
    world.refusals.put(event(minute=5))
    world.refusals.forget(pod(NOW + timedelta(minutes=4)))
    world.refusals.forget(pod(NOW + timedelta(minutes=6), uid="other"))
    assert world.note() == "forbidden"
    world.refusals.forget(pod(NOW + timedelta(minutes=6)))
    assert world.note() == ""


def test_refusals_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusals of a namespace are bounded in number and size, and end after an hour."""
    monkeypatch.setattr(refusals, "MOST", 3)
    world = World()
    for number in range(5):
        world.cache.put_owned(owned("Job", f"job-{number}", f"uid-{number}"))
        regarding = {"kind": "Job", "namespace": "shop", "name": f"job-{number}", "uid": f"uid-{number}"}
        world.refusals.put(event("x" * 100_000, regarding=regarding))
    assert [len(refusal.note) for refusal in world.refusals.values()] == [1024] * 3
    world.now += timedelta(hours=1)
    world.refusals.put(event(minute=90))
    assert list(world.refusals) == [("shop", SERVER)], "the others are out of date"


@given(st.dictionaries(st.sampled_from(["metadata", "regarding", "note", "series", "eventTime"]), JSON))
def test_any_event_survived(edit: Object) -> None:
    """Whatever is in an Event, the watch goes on, and remembers no Event."""
    world = World()
    watch = Watch(cast(Api, None), kinds.REFUSAL, world.refusals.put, None)
    for live in ({**event(), **edit}, event("the last", minute=9)):
        watch._put(live)
    assert world.note() == "the last"
    assert not watch._known


def test_refusal_observed() -> None:
    """A refusal is part of the observation of its service alone."""
    world = World()
    world.refusals.put(event())
    inputs = observation.Inputs(PLATFORM, AUTHORITY, {"shop"}, Findings(), refusals=world.refusals)
    seen = observation.observe(world.cache, service(), inputs, {}, NOW)
    assert seen.refusals == {SERVER: world.refusals["shop", SERVER]}
    other = replace(service(), key=Key("shop", "payments"))
    assert observation.observe(world.cache, other, inputs, {}, NOW).refusals == {}
