"""Is it well, where is it reached, what does it wait for."""

from __future__ import annotations

import pytest
from freehold.cli.commands import status
from freehold.core.model.resources import Key, Object

from tests.unit.cli.pictures import live, printed

FAILED = {
    "type": "MigrationsApplied",
    "status": "False",
    "reason": "MigrationFailed",
    "message": "users:2 stopped with exit code 1",
}
UNDER_WAY = {"type": "EndpointReady", "status": "Unknown", "reason": "RollingOut", "message": "1 of 2 pods serve"}
FINE = {"type": "DatabaseReady", "status": "True", "reason": "Available", "message": "it serves"}


def seen(name: str, *conditions: Object, ready: str = "False", generation: int = 1) -> Object:
    summary = {"type": "Ready", "status": ready, "reason": "Any", "message": "the sum"}
    endpoint = {"endpoint": f"{name}.shop.svc:50051", "database": "postgresql 15, 1Gi"}
    return live(name, status={"observedGeneration": generation, "conditions": [summary, *conditions], **endpoint})


WELL, BROKEN, MOVING = seen("users", FINE, ready="True"), seen("pay", FINE, FAILED, UNDER_WAY), seen("web", UNDER_WAY)


TOLD = """\
SERVICE   WELL      REACHED AT             DATABASE             CONSUMES
pay       no        pay.shop.svc:50051     postgresql 15, 1Gi   –
users     yes       users.shop.svc:50051   postgresql 15, 1Gi   –
web       not yet   web.shop.svc:50051     postgresql 15, 1Gi   –
new       not yet   –                      –                    –

pay
  MigrationsApplied  False  MigrationFailed
    users:2 stopped with exit code 1
  EndpointReady  Unknown  RollingOut
    1 of 2 pods serve

web
  EndpointReady  Unknown  RollingOut
    1 of 2 pods serve

new
  the operator has not looked at it since it was last edited; if that lasts, see whether the operator runs"""


def test_each_condition_that_is_not_met_is_told_in_its_own_words() -> None:
    listed = {Key("shop", one["metadata"]["name"]): one for one in (BROKEN, WELL, MOVING, live("new"))}
    assert printed(status.text(listed, across=False)) == TOLD


def test_ready_alone_is_told_where_nothing_else_says_why() -> None:
    assert "Ready  False  Any" in printed(status.text({Key("shop", "a"): seen("a")}, across=True))


@pytest.mark.parametrize(
    ("says", "one", "well"),
    [
        ("ready", WELL, True),
        ("not ready", BROKEN, False),
        ("under way", MOVING, False),
        ("ready as it was before the last edit", seen("a", FINE, ready="True", generation=0), False),
    ],
)
def test_well_is_ready_as_declared_now(says: str, one: Object, well: bool) -> None:
    assert status.well(one) is well, says


def test_what_is_not_shown_makes_no_difference() -> None:
    assert status.lines(WELL) == status.lines({**WELL, "metadata": {**WELL["metadata"], "resourceVersion": "2"}})
    assert status.lines(WELL) != status.lines(BROKEN)
