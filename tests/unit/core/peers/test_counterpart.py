"""A database moves to another namespace: two Microservices that each do their part and observe the other."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from freehold.core.model.resources import Key, Ref, Service
from freehold.core.objects import meta

from tests.unit.core.sides import (
    CLAIM,
    DATABASE_SERVICE,
    ENDPOINT,
    HERE,
    POLICY,
    PROXY,
    SECRET,
    SERVER,
    THERE,
    apart,
    condition,
    destination,
    moved,
    relocated,
    source,
    staying,
    switchovers,
    with_own_dataset,
)
from tests.unit.core.worlds import NOW


def test_move_data_then_endpoint() -> None:
    """The primary moves first, then the endpoint is redirected."""
    two = moved()
    assert two.owners() == {"people"}
    assert two.reasons[THERE] == ["", "InitialCopy", "CatchingUp", "SwitchingOver", "Relocated"]
    assert relocated(two.seen[HERE].status)["reason"] == "Relocated"
    assert two.objects(HERE)[ENDPOINT]["spec"]["externalName"] == "users.people.svc.cluster.local"
    assert two.objects(HERE)[Ref("Deployment", "users")]["spec"]["replicas"] == 0
    assert two.objects(HERE)[CLAIM]["metadata"]["annotations"][meta.DATA_MOVED_TO] == "people"
    assert two.objects(THERE)[CLAIM]["metadata"]["annotations"][meta.EPOCH] == "2"
    assert two.objects(THERE)[DATABASE_SERVICE]["spec"]["selector"][meta.POD_NAME] == "users-database-0"
    assert PROXY not in two.objects(THERE)
    for key in (HERE, THERE):
        assert condition(two, key, "Ready")["status"] == "True", two.seen[key].status["conditions"]
    assert [two.seen[THERE].status["move"][end]["namespace"] for end in ("from", "to")] == ["shop", "people"]


def test_move_admits_counterpart_instances() -> None:
    """Each side's database policy admits the counterpart's database pods once both declare the move."""
    two = apart()
    before = two.objects(HERE)[POLICY]
    two.edit(destination())
    two.settle()
    assert two.objects(HERE)[POLICY] == before, "no access before both sides declare the move"
    moved(two)
    for key, other in ((HERE, "people"), (THERE, "shop")):
        (rule, _) = two.objects(key)[POLICY]["spec"]["ingress"]
        selectors = [peer["namespaceSelector"]["matchLabels"] for peer in rule["from"]]
        remote = [p for p, labels in zip(rule["from"], selectors, strict=True) if labels[meta.NAMESPACE_NAME] == other]
        assert [peer["podSelector"]["matchLabels"][meta.COMPONENT] for peer in remote] == ["database"]


def test_move_destination_waits_for_source() -> None:
    """A destination creates no database before the source declares the move."""
    two = apart()
    two.edit(destination())
    two.settle()
    assert not {SERVER, CLAIM, SECRET} & two.objects(THERE).keys()
    found = condition(two, THERE, "DatabaseReady")
    assert (found["status"], found["reason"]) == ("Unknown", "WaitingForConsent")


def test_move_never_restarts_primary() -> None:
    """No step of a move changes the primary's pod template."""
    two = apart()
    templates = [two.objects(HERE)[SERVER]["spec"]["template"]]
    two.edit(destination())
    two.edit(source())
    while two.owners() == {"shop"}:
        for key in (HERE, THERE):
            two.reconcile(key)
            templates.append(two.objects(HERE)[SERVER]["spec"]["template"])
    assert all(template == templates[0] for template in templates[:-1])


def test_rollback_data_then_endpoint() -> None:
    """A rollback moves the primary back, then the endpoint returns."""
    two = moved()
    two.edit(staying())
    two.settle()
    assert two.owners() == {"shop"}
    assert two.objects(HERE)[ENDPOINT]["spec"]["clusterIP"] == "None"
    assert two.objects(HERE)[CLAIM]["metadata"]["annotations"][meta.EPOCH] == "3"
    assert meta.DATA_MOVED_TO not in two.objects(HERE)[CLAIM]["metadata"]["annotations"]
    assert two.objects(THERE)[CLAIM]["metadata"]["annotations"][meta.DATA_MOVED_TO] == "shop"
    assert condition(two, HERE, "Ready")["status"] == "True"
    assert relocated(two.seen[HERE].status)["reason"] == "Relocated"
    # The counterpart's pods reach the primary through the database proxy while both sides declare the move.
    assert two.seen[HERE].status["counterpart"] == "people"
    assert two.objects(THERE)[DATABASE_SERVICE]["spec"]["selector"][meta.POD_NAME] == "users-database-proxy-0"
    assert PROXY in two.objects(THERE)


def test_move_proxy_kept_for_running_pods() -> None:
    """The source's database proxy stays while pods of the service run there."""
    two = moved()
    assert PROXY in two.objects(HERE)
    (pod,) = [pod for pod in two.seen[HERE].pods if pod["metadata"]["name"] == "users-x"]
    others = tuple(other for other in two.seen[HERE].pods if other != pod)
    ended = {**pod, "status": {"phase": "Succeeded"}}
    labels = {**pod["metadata"]["labels"], meta.PROBE: "true"}
    probe = {**pod, "metadata": {**pod["metadata"], "labels": labels}}
    for remaining in ((), (ended,), (probe,)):
        two.seen[HERE] = replace(two.seen[HERE], pods=(*others, *remaining))
        two.settle()
        assert PROXY not in two.objects(HERE), remaining


def test_stale_volume_never_primary() -> None:
    """The volume left behind is never served; without the destination DataMovedAway is reported."""
    two = moved()
    two.seen = {key: replace(seen, now=NOW + timedelta(hours=2)) for key, seen in two.seen.items()}
    two.settle()
    assert SERVER not in two.objects(HERE) and CLAIM in two.objects(HERE)
    del two.services[THERE]
    two.edit(staying())
    two.settle()
    assert SERVER not in two.objects(HERE)
    found = condition(two, HERE, "DatabaseReady")
    assert (found["status"], found["reason"]) == ("False", "DataMovedAway")
    assert "moved to namespace people" in found["message"]


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "without a record"])
def test_stale_volume_not_used_after_loss(recorded: bool) -> None:
    """The volume left behind does not replace a lost primary, whether or not the status still records the data."""
    two = moved()
    seen = two.seen[THERE]
    left = {ref: live for ref, live in two.objects(THERE).items() if ref not in (CLAIM, SERVER)}
    status = {key: value for key, value in seen.status.items() if recorded or key != "data"}
    two.seen[THERE] = replace(seen, objects=left, status=status)
    two.settle()
    assert not {SERVER, CLAIM} & two.objects(THERE).keys()
    if recorded:
        assert condition(two, THERE, "DatabaseReady")["reason"] == "DataLost"
    else:
        found = relocated(two.seen[THERE].status)
        assert found["reason"] == "MoveBlocked" and "where no volume holds the data any more" in found["message"]


@pytest.mark.parametrize("key", [HERE, THERE])
def test_move_paused_by_either_side(key: Key) -> None:
    """The annotation of either side pauses the move."""
    two = apart()
    services = {HERE: source(), THERE: destination()}
    services[key] = replace(services[key], annotations={meta.MOVE: "Paused"})
    two.edit(services[THERE])
    two.edit(services[HERE])
    two.settle()
    assert two.reasons[THERE] == ["", "MovePaused"] and two.owners() == {"shop"}
    two.edit(destination())
    two.edit(source())
    two.settle()
    assert two.owners() == {"people"}


@pytest.mark.parametrize("rounds", range(1, 4))
def test_abort_before_switchover(rounds: int) -> None:
    """An abort before the switchover leaves the source as before."""
    two = apart()
    before = two.objects(HERE)
    two.edit(destination())
    two.edit(source())
    for key in (THERE, HERE) * rounds:
        two.reconcile(key)
    assert not switchovers(two)
    two.edit(staying())
    two.settle()
    changed = {ref for ref, live in two.objects(HERE).items() if before.get(ref, {}).get("spec") != live.get("spec")}
    assert not changed & {SERVER, CLAIM, ENDPOINT, DATABASE_SERVICE, PROXY, POLICY}
    assert not {SERVER, CLAIM, PROXY} & two.objects(THERE).keys()
    assert "counterpart" not in two.seen[HERE].status
    assert condition(two, HERE, "Ready")["status"] == "True"


def test_abort_during_switchover() -> None:
    """An abort during the switchover finishes the switchover first, then moves the primary back."""
    two = apart()
    two.edit(destination())
    two.edit(source())
    while not switchovers(two):
        for key in (HERE, THERE):
            two.reconcile(key)
    two.edit(staying())
    two.settle()
    assert two.owners() == {"shop"}
    assert [two.objects(key)[CLAIM]["metadata"]["annotations"][meta.EPOCH] for key in (HERE, THERE)] == ["3", "2"]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (destination(version="16"), "people/users has PostgreSQL 16, shop/users has PostgreSQL 15"),
        (
            replace(destination(), spec=destination().spec.model_copy(update={"database": None})),
            "people/users has no database",
        ),
    ],
    ids=["another version", "no database"],
)
def test_move_blocked_by_different_databases(other: Service, message: str) -> None:
    """Different databases on the two sides block the move."""
    two = apart()
    two.edit(other)
    two.edit(source())
    two.settle()
    assert CLAIM not in two.objects(THERE)
    found = relocated(two.seen[HERE].status)
    assert found["reason"] == "MoveBlocked" and message in found["message"]
    assert condition(two, HERE, "Ready")["status"] == "True"


def test_move_blocked_by_data_at_destination() -> None:
    """Data at the destination blocks the move."""
    two = apart()
    two.services[THERE] = replace(staying(), key=THERE)
    two.settle()
    two.seen[THERE] = replace(two.seen[THERE], objects=with_own_dataset(two.objects(THERE)))
    two.edit(destination())
    two.edit(source())
    two.settle()
    found = relocated(two.seen[HERE].status)
    assert found["reason"] == "MoveBlocked" and "holds data already" in found["message"]
    assert two.objects(THERE)[CLAIM]["metadata"].get("annotations", {}).get(meta.EPOCH) is None


def test_move_blocked_by_small_volume() -> None:
    """A too small volume at the destination blocks the move."""
    two = apart(staying(storage={"size": "2Gi"}))
    two.edit(destination())
    two.edit(source(storage={"size": "2Gi"}))
    two.settle()
    for key in (THERE, HERE):
        found = relocated(two.seen[key].status)
        assert found["reason"] == "MoveBlocked" and "has 2Gi" in found["message"]
    assert CLAIM not in two.objects(THERE)
