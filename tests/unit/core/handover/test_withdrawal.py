"""Consent to a move of data is withdrawn: the path to the data closes, whatever the other namespace contains."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from freehold.core.handover import withdrawal
from freehold.core.model.resources import Object, Ref
from freehold.core.objects import meta

from tests.unit.core.sides import HERE, POLICY, SERVER, THERE, Sides, apart, destination, moved, source, staying
from tests.unit.core.worlds import NOW

LABELS = {**meta.selector("users", meta.DATABASE)}
FOLLOWING = {"metadata": {"annotations": {meta.PRIMARY: "users-database-0.users-database-nodes.shop.svc@1"}}}
SWITCHOVER = {"template": {"metadata": {"labels": {meta.ROLE: "switchover"}}}}


def declared() -> Sides:
    """Return both sides with an agreed move, and an instance at the destination."""
    two = apart()
    two.edit(destination())
    two.edit(source())
    while SERVER not in two.objects(THERE) or "counterpart" not in two.seen[HERE].status:
        for key in (THERE, HERE):
            two.reconcile(key)
    return two


def put(two: Sides, kind: str, name: str, spec: Object, *, owned: bool) -> None:
    """Create an object of the destination's tenant."""
    owners = [meta.owner(two.services[THERE])] if owned else []
    live = {"metadata": {"name": name, "labels": LABELS, "ownerReferences": owners}, "spec": spec, "status": {}}
    seen = two.seen[THERE]
    two.seen[THERE] = replace(seen, objects={**seen.objects, Ref(kind, name): live})


def is_tied(two: Sides) -> bool:
    """Reconcile the source alone, as if the destination's operator did nothing; return whether the tie remains."""
    two.reconcile(HERE)
    two.reconcile(HERE)
    return "counterpart" in two.seen[HERE].status


def after(two: Sides, time: timedelta) -> None:
    two.seen = {key: replace(seen, now=NOW + time) for key, seen in two.seen.items()}


def admits_destination(two: Sides) -> bool:
    return any("people" in str(rule["from"]) for rule in two.objects(HERE)[POLICY]["spec"]["ingress"])


@pytest.mark.parametrize("owned", [False, True], ids=["the tenant's own", "with a forged owner"])
def test_withdrawal_servers_without_instance(owned: bool) -> None:
    """Servers of the destination's tenant, which follow nothing, do not keep the path to the data."""
    two = declared()
    two.seen[THERE] = replace(two.seen[THERE], objects={})
    put(two, "StatefulSet", "hold", {"template": FOLLOWING}, owned=owned)
    put(two, "StatefulSet", SERVER.name, {"template": FOLLOWING if not owned else {}}, owned=owned)
    two.edit(staying())
    assert not is_tied(two)
    assert not admits_destination(two)


def test_withdrawal_instance_kept() -> None:
    """An instance that the destination does not end keeps the path for seconds, for a switchover that just starts."""
    two = declared()
    two.edit(staying())
    assert is_tied(two)
    after(two, withdrawal.NOTICE)
    assert not is_tied(two)
    assert not admits_destination(two)


def test_withdrawal_switchover_begun() -> None:
    """A switchover that has begun is finished, but a Job that never ends does not keep the path."""
    two = declared()
    put(two, "Job", "users-switchover-1", SWITCHOVER, owned=True)
    two.edit(staying())
    assert is_tied(two)
    after(two, withdrawal.SWITCHOVER - timedelta(seconds=1))
    assert is_tied(two)
    assert admits_destination(two), "the switchover reaches both servers"
    after(two, withdrawal.SWITCHOVER)
    assert not is_tied(two)
    assert not admits_destination(two)


def test_withdrawal_switchover_of_others() -> None:
    """A Job that the destination's Microservice does not own is no switchover."""
    two = declared()
    put(two, "Job", "users-switchover-1", SWITCHOVER, owned=False)
    two.edit(staying())
    assert is_tied(two)
    after(two, withdrawal.NOTICE)
    assert not is_tied(two)


def test_withdrawal_after_return() -> None:
    """After a return the rollback standby at the destination keeps the path until the rollback window ends."""
    two = moved()
    two.edit(staying())
    two.settle()
    after(two, timedelta(minutes=30))
    assert is_tied(two)
    after(two, timedelta(hours=2))
    assert is_tied(two)
    after(two, timedelta(hours=2) + withdrawal.NOTICE)
    assert not is_tied(two)
    assert not admits_destination(two)
