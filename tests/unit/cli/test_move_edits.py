"""Command `move`: patches of rollback, abort, pause and resume, and their refusals."""

from __future__ import annotations

import json

import pytest
from freehold.cli.commands.move import edits
from freehold.cli.commands.move.destination import ZONE
from freehold.core.model.resources import Object
from freehold.core.objects import meta
from freehold.views.errors import Failure

from tests.unit.cli.moves import nodes, users


def test_rollback_and_abort_restore_labels() -> None:
    """Rollback and abort write only the previous node labels."""
    assert edits.rollback(users("Relocated")) == nodes({ZONE: "a"})
    resumed = {"metadata": {"annotations": {meta.MOVE: None}}}
    assert edits.abort(users("InitialCopy")) == {**nodes({ZONE: "a"}), **resumed}


def test_rollback_removes_new_labels() -> None:
    """New labels are removed; the storage class is restored only if the move changed the class."""
    before = {"nodeSelector": {"disk": "ssd"}, "className": "slow"}
    assert edits.rollback(users("Relocated", **{"from": before})) == nodes(
        {ZONE: None, "disk": "ssd"}, database={"storage": {"className": "slow"}}
    )
    assert edits.rollback(users("Relocated", **{"from": {"className": "standard"}})) == nodes(None)
    assert edits.rollback(users("Relocated", to={"nodeSelector": {ZONE: "b"}})) == nodes({ZONE: "a"})


@pytest.mark.parametrize(
    ("action", "service", "message"),
    [
        ("rollback", users(), "users was never moved; nothing to roll back"),
        ("rollback", users("AtDestination"), "users was never moved; nothing to roll back"),
        ("rollback", users("InitialCopy"), "users has not switched over yet; --abort cancels the move"),
        ("abort", users(), "no move of users is under way; nothing to abort"),
        ("abort", users("AtDestination"), "no move of users is under way; nothing to abort"),
        (
            "abort",
            users("Relocated"),
            "no move of users is under way; nothing to abort; --rollback returns to the previous place",
        ),
        (
            "abort",
            users("SwitchingOver"),
            "users is switching over; wait until the move has ended, then use --rollback",
        ),
        ("pause", users("Relocated"), "no move of users is under way; nothing to pause"),
        ("resume", users("InitialCopy"), "no move of users is paused; nothing to resume"),
    ],
)
def test_actions_refused(action: str, service: Object, message: str) -> None:
    """An action without effect is refused in a sentence."""
    with pytest.raises(Failure) as refused:
        edits.ACTIONS[action](service)
    assert refused.value.message == message


@pytest.mark.parametrize(
    ("manifest", "reverted"),
    [
        (None, False),
        ({}, False),
        ({"placement": {"nodeSelector": {"disk": "ssd"}}}, False),
        ({"placement": {"nodeSelector": {ZONE: "a"}}}, True),
        ({"placement": {"nodeSelector": {ZONE: "b"}}}, False),
    ],
)
def test_reverted_by_manifest(manifest: Object | None, reverted: bool) -> None:
    """A manifest with another placement reverts the edit when applied again."""
    service = users()
    if manifest is not None:
        service["metadata"]["annotations"] = {edits.MANIFEST: json.dumps({"spec": manifest})}
    assert edits.reverted_by_manifest(service, nodes({ZONE: "b"})) is reverted
