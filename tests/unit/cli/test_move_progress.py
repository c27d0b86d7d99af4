"""Command `move`: the lines printed during a move."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from freehold.cli.commands.move.progress import Progress
from freehold.core.model.resources import Object
from freehold.core.objects import meta
from freehold.views import move

from tests.unit.cli.moves import at, users
from tests.unit.cli.samples import printed

COMMAND = "kubectl freehold move users"


def lines(*seen: Object) -> str:
    """The lines for a service observed once a second."""
    progress = Progress(COMMAND)
    return printed(line for now, each in enumerate(seen) for line in progress.lines(each, now))


MOVED = users(
    "Relocated",
    ("True", "Relocated", ""),
    copiedBytes=112_000_000,
    lagBytes=0,
    writePauseMs=212,
    rollbackUntil="2026-01-02T15:40:00Z",
)
PRINTED = """\
  ✓ checked        storage class, permissions, database
  ✓ copied         112 MB at 84 MB/s
  ✓ caught up      lag 0 B
  ✓ pods moved     new pods serve at the destination
  ✓ switched over  writes paused 0.21 s
  … rollback       possible until 15:40 (kubectl freehold move users --rollback)"""


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("utc")
def test_progress_one_line_per_step() -> None:
    """Each completed step is one line, printed once."""
    seen = (
        at("InitialCopy"),
        at("InitialCopy", copiedBytes=28_000_000),
        at("InitialCopy", copiedBytes=112_000_000),
        at("CatchingUp", copiedBytes=112_000_000, lagBytes=5_000),
        at("MovingPods", copiedBytes=112_000_000, lagBytes=0),
        at("SwitchingOver", copiedBytes=112_000_000, lagBytes=0),
    )
    assert lines(*seen, MOVED, MOVED) == PRINTED


@pytest.mark.usefixtures("utc")
def test_progress_after_the_move() -> None:
    """A late observer sees the completed steps, without rate and without the step of the pods."""
    pods = "  ✓ pods moved     new pods serve at the destination\n"
    assert lines(MOVED) == PRINTED.replace(" at 84 MB/s", "").replace(pods, "")


def test_progress_rollback_without_copy() -> None:
    """A rollback copies nothing."""
    printed_lines = lines(at("SwitchingOver"), users("Relocated", ("True", "Relocated", ""), writePauseMs=95))
    assert printed_lines.splitlines()[1:] == ["  ✓ switched over  writes paused 0.10 s"]


def test_progress_waits_for_correction() -> None:
    """A step that waits for a correction shows its message."""
    message = "no node fits; it goes on by itself once that is put right"
    printed_lines = lines(users("InitialCopy", ("Unknown", "InitialCopy", message)))
    assert printed_lines.splitlines()[-1] == f"  … waits          {message}"


@pytest.mark.parametrize(
    ("reason", "label"),
    [("MoveBlocked", "blocked"), ("SwitchoverFailed", "not switched"), ("MoveTimedOut", "timed out")],
)
def test_progress_stopped(reason: str, label: str) -> None:
    """A stopped move shows its message and the option that cancels the move."""
    stopped = users(reason, ("False", reason, "zone b has no node"))
    assert lines(stopped).splitlines()[-2:] == [
        f"  ✗ {label:<14} zone b has no node",
        f"    {COMMAND} --abort cancels the move",
    ]
    assert move.succeeded(stopped) is False


def test_progress_paused() -> None:
    """A paused move shows the cause until the pause is lifted."""
    paused = at("MovePaused")
    assert lines(paused) == "", "resumed, but not yet observed by the operator"
    paused["metadata"]["annotations"] = {meta.MOVE: "Paused"}
    assert lines(paused) == f"  … waits          paused before the next step ({COMMAND} --resume)"
    assert lines(at("WaitingForMigrations")) == "  … waits          until the migrations are applied"
    assert move.succeeded(paused) is None


def test_progress_stopped_names_abort_once() -> None:
    """A message that names --abort is not followed by the same hint."""
    stopped = users(
        "SwitchoverFailed", ("False", "SwitchoverFailed", "tried 4 times; kubectl freehold move users --abort")
    )
    assert lines(stopped).count("--abort") == 1


def test_progress_aborted() -> None:
    """An aborted move ends at its origin."""
    aborted = users("AtDestination", ("True", "AtDestination", ""))
    assert lines(aborted) == "  ✓ in place       the service runs where spec.placement declares"
