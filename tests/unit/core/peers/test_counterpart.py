"""A database moves to another namespace: two resources, each of which does its part and looks at the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from freehold.core import engines
from freehold.core import reconcile as core
from freehold.core.database import topology
from freehold.core.model.case import Case
from freehold.core.model.resources import Key, Object, Observed, Peer, Ref, Service
from freehold.core.objects import meta

from tests.unit.core.worlds import DATABASE, NOW, observed, placed, reconcile, service, settled

HERE, THERE = Key("shop", "users"), Key("people", "users")
SERVER, CLAIM = Ref("StatefulSet", "users-database"), Ref("PersistentVolumeClaim", "users-database-data")
DOOR, NAME, DATABASE_NAME = (
    Ref("StatefulSet", "users-database-proxy"),
    Ref("Service", "users"),
    Ref("Service", "users-database"),
)
SECRET = Ref("Secret", "users-database-server")
POLICY = Ref("NetworkPolicy", "users-database")


def stays(**database: Any) -> Service:
    return service(database={**DATABASE, **database})


def goes(**database: Any) -> Service:
    return service(database={**DATABASE, **database}, placement={"namespace": "people"})


def takes(**database: Any) -> Service:
    return service(namespace="people", database={**DATABASE, **database}, placement={"from": "shop"})


@dataclass
class Two:
    """Both sides, and what is seen of each. said: the reasons of Relocated on each side, in their order."""

    services: dict[Key, Service]
    seen: dict[Key, Observed]
    said: dict[Key, list[str]] = field(default_factory=lambda: {HERE: [], THERE: []})

    def look(self, key: Key) -> bool:
        """One visit to one side; whether it changed anything."""
        subject, before = self.services[key], self._sighted(key)
        plans = reconcile(subject, before)
        status = core.report(Case(subject, before), plans).status
        kinds = [c["type"] for c in status["conditions"]]
        assert len(kinds) == len(set(kinds)), f"{key} is told two things of: {kinds}"
        after = replace(placed(before, plans), status=status)
        after = replace(after, pods=(*after.pods, *_started(subject, after)))
        self.seen[key] = after
        reason = relocated(status).get("reason", "")
        self.said[key] += [reason] if reason not in self.said[key][-1:] else []
        return after != before

    def rest(self, most: int = 20) -> None:
        """Visit both until nothing changes. Fails when they do not come to rest."""
        for _ in range(most):
            looked = [self.look(key) for key in self.services]
            if not any(looked):
                return
        raise AssertionError(f"they do not come to rest: {self.said}")

    def edit(self, made: Service) -> None:
        self.services[made.key] = made

    def owners(self) -> set[str]:
        """Where the data is, as each side sees it."""
        found = (
            topology.primary(Case(one, self._sighted(key))).abroad or key.namespace
            for key, one in self.services.items()
        )
        return set(found)

    def objects(self, key: Key) -> dict[Ref, Object]:
        return dict(self.seen[key].objects)

    def _sighted(self, key: Key) -> Observed:
        other = THERE if key == HERE else HERE
        forwards = {HERE: THERE} if self._agreed() else {}
        partner = self.objects(other) if forwards else {}
        known = {other: self._peer(other)} if other in self.services else {}
        return replace(self.seen[key], peers=known, aliases=forwards, counterpart=partner)

    def _agreed(self) -> bool:
        if not {HERE, THERE} <= self.services.keys():
            return False
        status = self.seen[HERE].status
        tied = status.get("endpointTarget") or status.get("counterpart")
        going = self.services[HERE].spec.placement.namespace or tied
        return going == "people" and self.services[THERE].spec.placement.from_ == "shop"

    def _peer(self, key: Key) -> Peer:
        one, status = self.services[key], self.seen[key].status
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))
        version = engines.describe(one.spec.database)
        heading = one.spec.placement.namespace or ""
        replaces = status.get("replaces", "")
        seen = Peer(key, one.spec.grpc, frozenset(), ready, replaces=replaces, destination=heading, database=version)
        moved = relocated(status) if "conditions" in status else {}
        stopped = moved["message"] if moved.get("status") == "False" else ""
        within, made = one.spec.placement.max_backup_age or "", one.annotations.get(meta.LAST_BACKUP_AT, "")
        seen = replace(seen, move=one.annotations.get(meta.MOVE, ""), stopped=stopped)
        return replace(seen, max_backup_age=within, last_backup_at=made)


def _started(subject: Service, seen: Observed) -> Iterator[Object]:
    """A pod of the service's, as soon as any are wanted."""
    wanted = seen.objects.get(Ref("Deployment", subject.name), {}).get("spec", {}).get("replicas")
    labels = meta.pod_labels(subject, meta.SERVICE)
    pod: Object = {"metadata": {"name": "users-x", "labels": labels}, "status": {}}
    if wanted and pod not in seen.pods:
        yield pod


def relocated(status: Any) -> Object:
    return next((c for c in status["conditions"] if c["type"] == "Relocated"), {})


def condition(two: Two, key: Key, kind: str) -> Object:
    return next(c for c in two.seen[key].status["conditions"] if c["type"] == kind)


def apart(mine: Service | None = None) -> Two:
    """users in shop, at rest; nobody in people yet."""
    return Two({HERE: mine or stays()}, {HERE: settled(mine or stays(), observed()), THERE: observed()})


def moved(two: Two | None = None) -> Two:
    """Both, after the move."""
    two = two or apart()
    two.edit(takes())
    two.edit(goes())
    two.rest()
    return two


def test_the_data_goes_and_the_name_after_it() -> None:
    two = moved()
    assert two.owners() == {"people"}
    assert two.said[THERE] == ["", "InitialCopy", "CatchingUp", "SwitchingOver", "Relocated"]
    assert relocated(two.seen[HERE].status)["reason"] == "Relocated"
    assert two.objects(HERE)[NAME]["spec"]["externalName"] == "users.people.svc.cluster.local"
    assert two.objects(HERE)[Ref("Deployment", "users")]["spec"]["replicas"] == 0
    assert two.objects(HERE)[CLAIM]["metadata"]["annotations"][meta.DATA_MOVED_TO] == "people"
    assert two.objects(THERE)[CLAIM]["metadata"]["annotations"][meta.EPOCH] == "2"
    assert two.objects(THERE)[DATABASE_NAME]["spec"]["selector"][meta.POD_NAME] == "users-database-0"
    assert DOOR not in two.objects(THERE)
    for key in (HERE, THERE):
        assert condition(two, key, "Ready")["status"] == "True", two.seen[key].status["conditions"]
    assert two.seen[THERE].status["move"]["from"]["namespace"] == "shop"
    assert two.seen[THERE].status["move"]["to"]["namespace"] == "people"


def test_each_side_admits_the_other_s_servers_alone_and_proves_both_names() -> None:
    two = apart()
    before = two.objects(HERE)[POLICY]
    two.edit(takes())
    two.rest()
    assert two.objects(HERE)[POLICY] == before, "nothing is opened to one that nobody agreed with"
    moved(two)
    for key, other in ((HERE, "people"), (THERE, "shop")):
        (rule, _) = two.objects(key)[POLICY]["spec"]["ingress"]
        far = [one for one in rule["from"] if one["namespaceSelector"]["matchLabels"][meta.NAMESPACE_NAME] == other]
        assert [one["podSelector"]["matchLabels"][meta.COMPONENT] for one in far] == ["database"]
    assert two.objects(THERE)[SECRET]["data"] == two.objects(HERE)[SECRET]["data"]


def test_one_that_is_to_take_data_over_makes_none_of_its_own() -> None:
    two = apart()
    two.edit(takes())
    two.rest()
    assert not {SERVER, CLAIM, SECRET} & two.objects(THERE).keys()
    said = condition(two, THERE, "DatabaseReady")
    assert (said["status"], said["reason"]) == ("Unknown", "WaitingForConsent")


def test_the_server_that_owns_the_data_is_restarted_by_no_step() -> None:
    two = apart()
    templates = [two.objects(HERE)[SERVER]["spec"]["template"]]
    two.edit(takes())
    two.edit(goes())
    while two.owners() == {"shop"}:
        for key in (HERE, THERE):
            two.look(key)
            templates.append(two.objects(HERE)[SERVER]["spec"]["template"])
    assert all(template == templates[0] for template in templates[:-1])


def test_taken_back_the_data_comes_back_and_the_name_after_it() -> None:
    two = moved()
    two.edit(stays())
    two.rest()
    assert two.owners() == {"shop"}
    assert two.objects(HERE)[NAME]["spec"]["clusterIP"] == "None"
    assert two.objects(HERE)[CLAIM]["metadata"]["annotations"][meta.EPOCH] == "3"
    assert meta.DATA_MOVED_TO not in two.objects(HERE)[CLAIM]["metadata"]["annotations"]
    assert two.objects(THERE)[CLAIM]["metadata"]["annotations"][meta.DATA_MOVED_TO] == "shop"
    assert condition(two, HERE, "Ready")["status"] == "True"
    assert relocated(two.seen[HERE].status)["reason"] == "Relocated"
    # Its own pods there reach the data through a door, for as long as the two are tied.
    assert two.seen[HERE].status["counterpart"] == "people"
    assert two.objects(THERE)[DATABASE_NAME]["spec"]["selector"][meta.POD_NAME] == "users-database-proxy-0"
    assert DOOR in two.objects(THERE)


def test_the_door_to_data_that_went_stays_for_pods_that_run_and_for_nobody_else() -> None:
    two = moved()
    assert DOOR in two.objects(HERE)
    (pod,) = [pod for pod in two.seen[HERE].pods if pod["metadata"]["name"] == "users-x"]
    others = tuple(one for one in two.seen[HERE].pods if one != pod)
    ended = {**pod, "status": {"phase": "Succeeded"}}
    labels = {**pod["metadata"]["labels"], meta.PROBE: "true"}
    probe = {**pod, "metadata": {**pod["metadata"], "labels": labels}}
    for left in ((), (ended,), (probe,)):
        two.seen[HERE] = replace(two.seen[HERE], pods=(*others, *left))
        two.rest()
        assert DOOR not in two.objects(HERE), left


def test_what_was_left_behind_is_never_taken_for_the_data() -> None:
    two = moved()
    two.seen = {key: replace(seen, now=NOW + timedelta(hours=2)) for key, seen in two.seen.items()}
    two.rest()
    assert SERVER not in two.objects(HERE) and CLAIM in two.objects(HERE)
    del two.services[THERE]
    two.edit(stays())
    two.rest()
    assert SERVER not in two.objects(HERE)
    said = condition(two, HERE, "DatabaseReady")
    assert (said["status"], said["reason"]) == ("False", "DataMovedAway")
    assert "went to namespace people" in said["message"]


def test_where_the_data_is_lost_what_was_left_behind_does_not_pass_for_it() -> None:
    two = moved()
    two.seen[THERE] = replace(
        two.seen[THERE], objects={r: o for r, o in two.objects(THERE).items() if r not in (CLAIM, SERVER)}
    )
    two.rest()
    assert SERVER not in two.objects(THERE)
    said = relocated(two.seen[THERE].status)
    assert said["reason"] == "MoveBlocked" and "where no volume has it any more" in said["message"]


@pytest.mark.parametrize("key", [HERE, THERE])
def test_either_side_holds_it(key: Key) -> None:
    two = apart()
    held = {HERE: goes(), THERE: takes()}
    held[key] = replace(held[key], annotations={meta.MOVE: "Paused"})
    two.edit(held[THERE])
    two.edit(held[HERE])
    two.rest()
    assert two.said[THERE] == ["", "MovePaused"] and two.owners() == {"shop"}
    two.edit(takes())
    two.edit(goes())
    two.rest()
    assert two.owners() == {"people"}


@pytest.mark.parametrize("looks", range(1, 4))
def test_taken_back_before_the_switch_all_is_as_it_was(looks: int) -> None:
    two = apart()
    before = two.objects(HERE)
    two.edit(takes())
    two.edit(goes())
    for key in (THERE, HERE) * looks:
        two.look(key)
    assert not _switches(two)
    two.edit(stays())
    two.rest()
    changed = {ref for ref, live in two.objects(HERE).items() if before.get(ref, {}).get("spec") != live.get("spec")}
    assert not changed & {SERVER, CLAIM, NAME, DATABASE_NAME, DOOR, POLICY}
    assert not {SERVER, CLAIM, DOOR} & two.objects(THERE).keys()
    assert "counterpart" not in two.seen[HERE].status
    assert condition(two, HERE, "Ready")["status"] == "True"


def _switches(two: Two) -> list[Ref]:
    return [ref for ref in two.objects(THERE) if ref.kind == "Job" and "switch" in ref.name]


def test_taken_back_during_the_switch_it_is_ended_and_then_goes_back() -> None:
    two = apart()
    two.edit(takes())
    two.edit(goes())
    while not _switches(two):
        for key in (HERE, THERE):
            two.look(key)
    two.edit(stays())
    two.rest()
    assert two.owners() == {"shop"}
    assert two.objects(HERE)[CLAIM]["metadata"]["annotations"][meta.EPOCH] == "3"
    assert two.objects(THERE)[CLAIM]["metadata"]["annotations"][meta.EPOCH] == "2"


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (takes(version="16"), "people/users has PostgreSQL 16, and shop/users PostgreSQL 15"),
        (replace(takes(), spec=takes().spec.model_copy(update={"database": None})), "people/users has no database"),
    ],
    ids=["another version", "no database"],
)
def test_what_cannot_be_taken_over_stays(other: Service, message: str) -> None:
    two = apart()
    two.edit(other)
    two.edit(goes())
    two.rest()
    assert CLAIM not in two.objects(THERE)
    said = relocated(two.seen[HERE].status)
    assert said["reason"] == "MoveBlocked" and message in said["message"]
    assert condition(two, HERE, "Ready")["status"] == "True"


def test_data_on_the_other_side_is_not_written_over() -> None:
    two = apart()
    two.services[THERE] = replace(stays(), key=THERE)
    two.rest()
    two.seen[THERE] = replace(two.seen[THERE], objects=_of_its_own(two.objects(THERE)))
    two.edit(takes())
    two.edit(goes())
    two.rest()
    said = relocated(two.seen[HERE].status)
    assert said["reason"] == "MoveBlocked" and "holds data already" in said["message"]
    assert two.objects(THERE)[CLAIM]["metadata"].get("annotations", {}).get(meta.EPOCH) is None


def _of_its_own(objects: dict[Ref, Object]) -> dict[Ref, Object]:
    claim = objects[CLAIM]
    return {**objects, CLAIM: {**claim, "metadata": {**claim["metadata"], "annotations": {meta.DATASET_ID: "another"}}}}


def test_a_volume_too_small_for_the_data_is_named_before_anything_begins() -> None:
    two = apart(stays(storage={"size": "2Gi"}))
    two.edit(takes())
    two.edit(goes(storage={"size": "2Gi"}))
    two.rest()
    for key in (THERE, HERE):
        said = relocated(two.seen[key].status)
        assert said["reason"] == "MoveBlocked" and "holds 2Gi" in said["message"]
    assert CLAIM not in two.objects(THERE)
