"""Moves of a service's database: what is written for them, what makes no sense, and what is told meanwhile."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner
from freehold.cli.commands import move_edits
from freehold.cli.commands.move_progress import Telling
from freehold.cli.main import freehold
from freehold.core.model.resources import Object
from freehold.core.objects import meta
from freehold.views.errors import Failure

from tests.unit.cli.pictures import live, printed, storefront
from tests.unit.core.worlds import DATABASE, GRPC

ZONE = "topology.kubernetes.io/zone"
AGAIN = "kubectl freehold move users"
A = {"nodeSelector": {ZONE: "a"}, "className": "standard"}
B = {"nodeSelector": {ZONE: "b"}, "className": "standard"}


def users(step: str | None = None, says: tuple[str, str, str] | None = None, **known: Any) -> Object:
    """It goes from zone a to zone b, and its condition says this status, this reason and this message."""
    moves = {"move": {"from": A, "to": B, "step": step, **known}} if step else {}
    said = [{"type": "Relocated", **dict(zip(("status", "reason", "message"), says, strict=True))}] if says else []
    placement = {"nodeSelector": {ZONE: "b"}}
    made = live("users", status={**moves, "conditions": said}, grpc=GRPC, database=DATABASE)
    return {**made, "spec": {**made["spec"], "placement": placement}}


def at(step: str, **known: Any) -> Object:
    return users(step, ("Unknown", step, ""), **known)


def nodes(labels: Object | None, **more: Any) -> Object:
    return {"spec": {"placement": {"nodeSelector": labels}, **more}}


@pytest.mark.parametrize(
    ("given", "written"),
    [
        (["zone=b"], nodes({ZONE: "b"})),
        (["region=north", "disk=ssd"], nodes({"topology.kubernetes.io/region": "north", "disk": "ssd"})),
        (["class=fast"], {"spec": {"database": {"storage": {"className": "fast"}}}}),
        (["zone=b", "class=fast"], nodes({ZONE: "b"}, database={"storage": {"className": "fast"}})),
    ],
)
def test_a_place_is_written_as_labels_of_nodes_and_a_storage_class(given: list[str], written: Object) -> None:
    assert move_edits.towards(users(), given) == written


def test_back_and_abort_write_what_was_there_before_and_nothing_else() -> None:
    assert move_edits.back(users("Relocated")) == nodes({ZONE: "a"})
    unpaused = {"metadata": {"annotations": {meta.MOVE: None}}}
    assert move_edits.abort(users("InitialCopy")) == {**nodes({ZONE: "a"}), **unpaused}


def test_a_label_that_was_not_there_before_goes_and_so_does_a_class_but_for_one_that_was_not_asked_for() -> None:
    before = {"nodeSelector": {"disk": "ssd"}, "className": "slow"}
    assert move_edits.back(users("Relocated", **{"from": before})) == nodes(
        {ZONE: None, "disk": "ssd"}, database={"storage": {"className": "slow"}}
    )
    assert move_edits.back(users("Relocated", **{"from": {"className": "standard"}})) == nodes(None)
    assert move_edits.back(users("Relocated", to={"nodeSelector": {ZONE: "b"}})) == nodes({ZONE: "a"})


@pytest.mark.parametrize(
    ("edit", "one", "said"),
    [
        ("back", users(), "users was never moved: there is nothing to go back to"),
        ("back", users("AtDestination"), "users was never moved: there is nothing to go back to"),
        ("back", users("InitialCopy"), "users has not moved yet; --abort takes back the move that is under way"),
        ("abort", users(), "there is nothing to abort: no move of users is under way"),
        ("abort", users("AtDestination"), "there is nothing to abort: no move of users is under way"),
        (
            "abort",
            users("Relocated"),
            "there is nothing to abort: no move of users is under way; --back goes back to where it was",
        ),
        ("abort", users("SwitchingOver"), "users switches at this moment; once that is done, --back goes back"),
        ("pause", users("Relocated"), "there is nothing to pause: no move of users is under way"),
        ("resume", users("InitialCopy"), "there is nothing to resume: no move of users is paused"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(edit: str, one: Object, said: str) -> None:
    with pytest.raises(Failure) as refused:
        move_edits.EDITS[edit](one)
    assert refused.value.message == said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["b"], "--to b names no place; write zone=b, KEY=VALUE of a node, or class=NAME"),
        (["zone="], "--to zone= names no place; write zone=b, KEY=VALUE of a node, or class=NAME"),
        (["zone=a", "zone=b"], "--to says two things of zone; a service stands in one place"),
        (["class=fast"], "storefront has no database, so no storage class; its pods move by --to zone=b"),
    ],
)
def test_a_place_that_is_none_is_refused(given: list[str], said: str) -> None:
    with pytest.raises(Failure) as refused:
        move_edits.towards(storefront(), given)
    assert refused.value.message == said


def test_two_wishes_at_once_are_refused_before_the_cluster_is_asked() -> None:
    done = CliRunner().invoke(freehold, ["move", "users", "--to", "zone=b", "--back"])
    assert (done.exit_code, done.stderr) == (2, "Error: --to and --back exclude each other\n")


@pytest.mark.parametrize(
    ("manifest", "overruled"),
    [
        (None, False),
        ({}, False),
        ({"placement": {"nodeSelector": {"disk": "ssd"}}}, False),
        ({"placement": {"nodeSelector": {ZONE: "a"}}}, True),
        ({"placement": {"nodeSelector": {ZONE: "b"}}}, False),
    ],
)
def test_a_manifest_that_names_another_place_is_noticed(manifest: Object | None, overruled: bool) -> None:
    one = users()
    if manifest is not None:
        one["metadata"]["annotations"] = {move_edits.MANIFEST: json.dumps({"spec": manifest})}
    assert move_edits.overruled(one, nodes({ZONE: "b"})) is overruled


def told(*seen: Object) -> str:
    """What is told of a service as it is seen at these moments, a second after each other."""
    telling = Telling(AGAIN)
    return printed(line for now, one in enumerate(seen) for line in telling.lines(one, now))


MOVED = users(
    "Relocated",
    ("True", "Relocated", ""),
    copiedBytes=112_000_000,
    lagBytes=0,
    writePauseMs=212,
    rollbackUntil="2026-01-02T15:40:00Z",
)
TOLD = """\
  ✓ checked        storage class, rights, database
  ✓ copied         112 MB at 84 MB/s
  ✓ caught up      lag 0 B
  ✓ pods moved     new ones serve from there
  ✓ switched       writes paused 0.21 s
  … way back kept  until 15:40 (kubectl freehold move users --back)"""


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The clock on the wall here."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("utc")
def test_a_move_is_told_a_line_a_step() -> None:
    seen = (
        at("InitialCopy"),
        at("InitialCopy", copiedBytes=28_000_000),
        at("InitialCopy", copiedBytes=112_000_000),
        at("CatchingUp", copiedBytes=112_000_000, lagBytes=5_000),
        at("MovingPods", copiedBytes=112_000_000, lagBytes=0),
        at("SwitchingOver", copiedBytes=112_000_000, lagBytes=0),
    )
    assert told(*seen, MOVED, MOVED) == TOLD


@pytest.mark.usefixtures("utc")
def test_who_looks_in_late_is_told_what_is_behind() -> None:
    late = TOLD.replace(" at 84 MB/s", "").replace("  ✓ pods moved     new ones serve from there\n", "")
    assert told(MOVED) == late


def test_to_go_back_copies_nothing() -> None:
    lines = told(at("SwitchingOver"), users("Relocated", ("True", "Relocated", ""), writePauseMs=95))
    assert lines.splitlines()[1:] == ["  ✓ switched       writes paused 0.10 s"]


def test_what_keeps_a_step_from_being_done_is_told() -> None:
    said = "no node fits; it goes on by itself once that is put right"
    assert told(users("InitialCopy", ("Unknown", "InitialCopy", said))).splitlines()[-1] == f"  … waits          {said}"


@pytest.mark.parametrize(
    ("reason", "word"), [("MoveBlocked", "blocked"), ("SwitchoverFailed", "not switched"), ("MoveTimedOut", "gave up")]
)
def test_a_move_that_stops_is_told_with_the_way_out(reason: str, word: str) -> None:
    stopped = users(reason, ("False", reason, "zone b has no node"))
    assert told(stopped).splitlines()[-2:] == [
        f"  ✗ {word:<14} zone b has no node",
        f"    {AGAIN} --abort takes it back",
    ]
    assert move_edits.outcome(stopped) == 1


def test_a_move_that_waits_says_for_what_and_only_while_it_does() -> None:
    held = at("MovePaused")
    assert told(held) == "", "it was resumed, and the operator has not seen that yet"
    held["metadata"]["annotations"] = {meta.MOVE: "Paused"}
    assert told(held) == f"  … waits          held before its next step ({AGAIN} --resume)"
    assert told(at("WaitingForMigrations")) == "  … waits          until the migrations are in"
    assert move_edits.outcome(held) is None


def test_a_stop_whose_message_names_the_way_out_names_it_once() -> None:
    stopped = users(
        "SwitchoverFailed", ("False", "SwitchoverFailed", "tried 4 times; kubectl freehold move users --abort")
    )
    assert told(stopped).count("--abort") == 1


def test_an_aborted_move_ends_where_it_began() -> None:
    assert (
        told(users("AtDestination", ("True", "AtDestination", "")))
        == "  ✓ in place       it stands where it is to stand"
    )
