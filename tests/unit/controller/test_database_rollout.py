"""The rollout of a change of the platform: one database at a time, and none after one that stays down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from freehold.controller.database_rollout import DatabaseRollout, Progress
from freehold.core.model.resources import Key, Object, Plan, Turn
from freehold.kube.cache import Cache

NAMES = ("one", "two", "three", "four")
KEYS = tuple(Key("shop", name) for name in NAMES)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class World:
    """A cache of four services, and a rollout over them."""

    def __init__(self, at_once: int = 1) -> None:
        self.woken: list[Key] = []
        self.reports: list[Progress] = []
        self.versions = 0
        self.cache = Cache(lambda _: None)
        for name in NAMES:
            self.cache.put_service(self.live("Microservice", name), frozenset())
        self.rollout = DatabaseRollout(self.cache, self.woken.append, self.reports.append, at_once)

    def live(self, kind: str, name: str, **metadata: object) -> Object:
        self.versions += 1
        labels = {"app.kubernetes.io/instance": name}
        usual = {"namespace": "shop", "uid": f"uid-of-{kind}-{name}", "resourceVersion": str(self.versions)}
        return {"kind": kind, "metadata": {**usual, "labels": labels, "name": name, **metadata}}

    def server(self, name: str, *, changed: bool = True, ready: bool = False, owner: str = "") -> None:
        """Put the StatefulSet of a service into the cache."""
        uid = owner or f"uid-of-Microservice-{name}"
        owners = [{"kind": "Microservice", "uid": uid, "controller": True}]
        notes = {"freehold.dev/platform-change-at": "2026-01-02T03:04:05Z"} if changed else {}
        live = self.live("StatefulSet", name, generation=2, ownerReferences=owners, annotations=notes)
        revisions = {"currentRevision": "b" if ready else "a", "updateRevision": "b"}
        self.cache.put_owned({**live, "status": {"observedGeneration": 2, **revisions}})

    def plan(self, name: str) -> Turn:
        """Plan a service that the platform changes, as the planner does."""
        key = Key("shop", name)
        turn = Turn.TAKEN if self.rollout.has_turn(key) else Turn.WAITING
        self.rollout.record(key, [Plan("database", (), turn=turn), Plan("workload", ())])
        return turn

    def rest(self, name: str, after: timedelta = timedelta()) -> None:
        """Plan a service without a change, and end its reconciliation."""
        self.rollout.record(Key("shop", name), [Plan("database", ())])
        self.rollout.end(Key("shop", name), NOW + after)


def test_rollout_one_at_a_time() -> None:
    """Of services that are planned together one takes its turn; the next is woken once the first is Ready again."""
    world = World()
    assert [world.plan(name) for name in NAMES] == [Turn.TAKEN, *[Turn.WAITING] * 3]
    world.server("one")
    for key in KEYS:
        world.rollout.end(key, NOW)
    assert not world.woken and world.rollout.progress(NOW) == (frozenset(KEYS[1:]), frozenset(KEYS[:1]), frozenset())
    world.server("one", ready=True)
    world.rest("one")
    assert world.woken == [Key("shop", "four")]
    assert world.plan("four") is Turn.TAKEN and world.plan("two") is Turn.WAITING


def test_rollout_several_at_a_time() -> None:
    """With a larger number that many take their turn, and a database that stays down takes one of them."""
    world = World(at_once=2)
    assert [world.plan(name) for name in NAMES] == [*[Turn.TAKEN] * 2, *[Turn.WAITING] * 2]
    world.server("one")
    world.server("two", ready=True)
    world.rest("two")
    assert world.woken == [Key("shop", "four")]
    assert world.plan("four") is Turn.TAKEN
    world.rest("one")
    assert world.woken == [Key("shop", "four")] and world.plan("three") is Turn.WAITING


def test_rollout_stops() -> None:
    """A database that stays down stops the rollout; it is reported once, and once it is Ready again."""
    world = World()
    world.plan("one")
    world.plan("two")
    world.server("one")
    for after in (0, 599, 600, 601):
        world.rest("one", timedelta(seconds=after))
    assert [report.stopped for report in world.reports] == [{Key("shop", "one")}] and not world.woken
    world.server("one", ready=True)
    world.rest("one", timedelta(seconds=700))
    assert [report.stopped for report in world.reports[1:]] == [frozenset()] and world.woken == [Key("shop", "two")]


def test_rollout_down_for_other_reasons() -> None:
    """A database that is down without a change of the platform delays none."""
    world = World()
    world.server("one", changed=False)
    assert world.plan("two") is Turn.TAKEN


def test_rollout_itself() -> None:
    """A database that went down by a change may be changed again, for example to a corrected image."""
    world = World()
    world.server("one")
    assert world.rollout.has_turn(Key("shop", "one")) and not world.rollout.has_turn(Key("shop", "two"))


def test_rollout_write_refused() -> None:
    """A turn whose write failed ends with the reconciliation, and the next one is woken."""
    world = World()
    world.plan("one")
    world.plan("two")
    world.rollout.end(Key("shop", "one"), NOW)
    assert world.woken == [Key("shop", "two")] and world.plan("two") is Turn.TAKEN


def test_rollout_deleted() -> None:
    """A deleted service delays none, and is not woken."""
    world = World()
    world.plan("one")
    world.plan("two")
    world.plan("three")
    world.server("one")
    world.cache.drop_service(Key("shop", "one"))
    world.cache.drop_service(Key("shop", "three"))
    world.rollout.end(Key("shop", "one"), NOW)
    assert world.woken == [Key("shop", "two")]


def test_rollout_foreign_server() -> None:
    """A StatefulSet that is not the Microservice's stops no rollout, whatever its labels and annotations are."""
    world = World()
    world.server("one", owner="somebody")
    assert world.rollout.has_turn(Key("shop", "two"))


def test_rollout_restarted_operator() -> None:
    """Another operator reads from the cluster which database is being changed."""
    world = World()
    world.server("one")
    other = DatabaseRollout(world.cache, world.woken.append, world.reports.append)
    assert not other.has_turn(Key("shop", "two"))
