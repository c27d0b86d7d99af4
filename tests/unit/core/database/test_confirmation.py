"""Ownership of data is believed only as far as the servers confirm it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from freehold.core.objects import meta

from tests.unit.core.sides import CLAIM, HERE, SERVER, THERE, Sides, apart, destination, source, switchovers

SHOP, PEOPLE = (f"users-database-0.users-database-nodes.{namespace}.svc" for namespace in ("shop", "people"))


def report(two: Sides, servers: Any) -> None:
    """Let the source's database proxy report the servers, as both sides see."""
    two.seen = {key: replace(seen, copy_progress={"servers": servers}) for key, seen in two.seen.items()}


def writable(host: str) -> dict[str, dict[str, bool]]:
    return {one: {"writable": one == host} for one in (SHOP, PEOPLE)}


def declared(servers: Any) -> Sides:
    two = apart()
    two.edit(destination())
    two.edit(source())
    report(two, servers)
    return two


def test_confirmation_of_outcome() -> None:
    """A reported success is not recorded while the old primary accepts writes, and is once the new one does."""
    two = declared(writable(SHOP))
    two.settle()
    assert switchovers(two) and two.owners() == {"shop"}
    assert two.objects(THERE)[CLAIM]["metadata"]["annotations"][meta.EPOCH] == "0"
    report(two, writable(PEOPLE))
    two.settle()
    assert two.owners() == {"people"}


def test_confirmation_of_epoch() -> None:
    """An epoch that the other namespace's tenant writes gives no ownership against the source's servers."""
    two = declared(writable(SHOP))
    while SERVER not in two.objects(THERE):
        for key in (THERE, HERE):
            two.reconcile(key)
    claim = two.objects(THERE)[CLAIM]
    annotations = {**claim["metadata"]["annotations"], meta.EPOCH: "99"}
    forged = {**claim, "metadata": {**claim["metadata"], "annotations": annotations}}
    two.seen[THERE] = replace(two.seen[THERE], objects={**two.objects(THERE), CLAIM: forged})
    for _ in range(3):
        two.reconcile(HERE)
    assert meta.DATA_MOVED_TO not in two.objects(HERE)[CLAIM]["metadata"].get("annotations", {})
    assert SERVER in two.objects(HERE)


def test_confirmation_unreadable_report() -> None:
    """A report of another form confirms and denies nothing."""
    for servers in (None, [], {SHOP: None}, {SHOP: {"writable": "yes"}}, "x"):
        two = declared(servers)
        two.settle()
        assert two.owners() == {"people"}
