"""Command `status`: readiness, endpoints and unmet conditions."""

from __future__ import annotations

import pytest
from freehold.cli.commands import status
from freehold.core.model.conditions import State
from freehold.core.model.resources import Key, Object
from freehold.views import status as view

from tests.unit.cli.samples import live, printed

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


READY, FAILING = seen("users", FINE, ready="True"), seen("pay", FINE, FAILED, UNDER_WAY)
STARTING = seen("web", UNDER_WAY)


PRINTED = """\
NAME    READY     ENDPOINT               DATABASE             CONSUMES
pay     False     pay.shop.svc:50051     postgresql 15, 1Gi   –
users   True      users.shop.svc:50051   postgresql 15, 1Gi   –
web     Unknown   web.shop.svc:50051     postgresql 15, 1Gi   –
new     Unknown   –                      –                    –

pay
  MigrationsApplied  False  MigrationFailed
    users:2 stopped with exit code 1
  EndpointReady  Unknown  RollingOut
    1 of 2 pods serve

web
  EndpointReady  Unknown  RollingOut
    1 of 2 pods serve

new
  the operator has not observed the last edit yet; if this message remains, check that the operator runs"""


def test_status_lists_unmet_conditions() -> None:
    """Below the table, every unmet condition with its message."""
    listed = {Key("shop", each["metadata"]["name"]): each for each in (FAILING, READY, STARTING, live("new"))}
    assert printed(status.text(listed, namespaces=False)) == PRINTED


def test_status_ready_without_other_condition() -> None:
    """Condition Ready is listed only without any other unmet condition."""
    assert "Ready  False  Any" in printed(status.text({Key("shop", "a"): seen("a")}, namespaces=True))


@pytest.mark.parametrize(
    ("case", "service", "readiness"),
    [
        ("ready", READY, State.TRUE),
        ("not ready", FAILING, State.FALSE),
        ("in progress", STARTING, State.UNKNOWN),
        ("ready before the last edit", seen("a", FINE, ready="True", generation=0), State.UNKNOWN),
    ],
)
def test_readiness_of_current_generation(case: str, service: Object, readiness: State) -> None:
    """A service is ready only if Ready is True for the current generation."""
    assert view.readiness(service) is readiness, case
    assert view.is_ready(service) is (readiness is State.TRUE), case


def test_status_document() -> None:
    """The document has the readiness and all unmet conditions, Ready included."""
    entries = view.content({Key("shop", "users"): READY, Key("shop", "pay"): FAILING})["services"]
    assert entries[0] == {"service": "shop/users", "ready": True, "endpoint": "users.shop.svc:50051", "unmet": []}
    assert [each["type"] for each in entries[1]["unmet"]] == ["Ready", "MigrationsApplied", "EndpointReady"]


def test_status_lines_detect_changes() -> None:
    """A change of unprinted fields does not change the lines."""
    assert status.lines(READY) == status.lines({**READY, "metadata": {**READY["metadata"], "resourceVersion": "2"}})
    assert status.lines(READY) != status.lines(FAILING)
