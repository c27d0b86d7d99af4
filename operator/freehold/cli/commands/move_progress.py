"""What is told of a move while the operator carries it out: a line for each step that is done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from rich.text import Text

from freehold.cli.commands.move_edits import move, outcome, relocated, step, under_way
from freehold.core.model import remote
from freehold.core.model.conditions import Reason
from freehold.core.model.resources import Object
from freehold.core.objects import meta

STEPS = (Reason.INITIAL_COPY, Reason.CATCHING_UP, Reason.MOVING_PODS, Reason.SWITCHING_OVER, Reason.RELOCATED)
"""In their order; before each of them a move may wait."""
WAITS: dict[str, str] = {
    Reason.MOVE_PAUSED: "held before its next step",
    Reason.WAITING_FOR_MIGRATIONS: "until the migrations are in",
}
STOPPED: dict[str, str] = {
    Reason.MOVE_BLOCKED: "blocked",
    Reason.SWITCHOVER_FAILED: "not switched",
    Reason.MOVE_TIMED_OUT: "gave up",
    Reason.CLUSTER_UNKNOWN: "not seen",
}
TROUBLE = "put right"
"""In a message that says what keeps a step from being done."""
CHECKED = "storage class, rights, database"


@dataclass
class Telling:
    """Each line once. again: the command, as whoever moves the service typed it."""

    again: str
    _lines: set[str] = field(default_factory=set)
    _steps: set[str] = field(default_factory=set)
    _copied: list[tuple[float, int]] = field(default_factory=list)
    """When how many bytes were there: as first seen, and as last seen."""

    def lines(self, live: Object, now: float) -> Iterator[Text]:
        """What is new. now: seconds, by any clock."""
        self._note(move(live), now)
        for what, text in self._done(move(live), at_rest=outcome(live) == 0):
            yield from self._once("✓", "green", what, text)
        yield from self._waits(live)
        if outcome(live) == 1:
            reason, message = _said(live)
            yield from self._once("✗", "bold red", STOPPED.get(reason, reason), message)
            if under_way(live) and "--abort" not in message:
                yield Text(f"    {self.again} --abort takes it back")
        if step(live) == Reason.RELOCATED and "rollbackUntil" in move(live):
            until = datetime.fromisoformat(move(live)["rollbackUntil"]).astimezone()
            yield from self._once("…", "dim", "way back kept", f"until {until:%H:%M} ({self.again} --back)")

    def progress(self, live: Object) -> str:
        """What goes on at this moment."""
        return f"{_said(live)[1]}{self._rate()}"

    def _waits(self, live: Object) -> Iterator[Text]:
        """For what it waits, which may last; a hold that was lifted counts no more."""
        reason, message = _said(live)
        if reason == Reason.MOVE_PAUSED:
            if meta.MOVE in live["metadata"].get("annotations", {}):
                yield from self._once("…", "yellow", "waits", f"{WAITS[reason]} ({self.again} --resume)")
        elif reason in WAITS or (outcome(live) is None and TROUBLE in message):
            yield from self._once("…", "yellow", "waits", WAITS.get(reason, message))

    def _done(self, now: Object, *, at_rest: bool) -> Iterator[tuple[str, str]]:
        """What is behind, in the order of the steps; to go back copies nothing, and nothing is said of it."""
        here = now.get("step", "")
        behind = STEPS[: STEPS.index(here)] if here in STEPS else ()
        if at_rest and here != Reason.RELOCATED:
            yield "in place", "it stands where it is to stand"
            return
        there = now.get("to", {}).get("namespace", "")
        abroad = there and there != now["from"].get("namespace")
        if there and not abroad:
            return
        if here in STEPS:
            yield "checked", f"{remote.describe(there)} takes it over" if abroad else CHECKED
        if Reason.INITIAL_COPY in behind and "copiedBytes" in now:
            yield "copied", f"{_bytes(now['copiedBytes'])}{self._rate()}"
        if Reason.CATCHING_UP in behind and "copiedBytes" in now:
            yield "caught up", f"lag {_bytes(now.get('lagBytes', 0))}"
        if not abroad and Reason.MOVING_PODS in behind and Reason.MOVING_PODS in self._steps:
            yield "pods moved", "new ones serve from there"
        if "writePauseMs" in now or (here == Reason.RELOCATED and not abroad):
            yield "switched", f"writes paused {now.get('writePauseMs', 0) / 1000:.2f} s"
        if abroad and here == Reason.RELOCATED:
            yield "pods moved", f"new ones serve in {remote.describe(there)}"
            yield "name turned", "whoever uses it is led there"

    def _note(self, now: Object, moment: float) -> None:
        self._steps.add(now.get("step", ""))
        if now.get("step") == Reason.INITIAL_COPY and now.get("copiedBytes"):
            self._copied = [*self._copied[:1], (moment, now["copiedBytes"])]

    def _rate(self) -> str:
        """Of the copy, as far as it was watched."""
        if len(self._copied) < 2:
            return ""
        (since, before), (until, after) = self._copied
        return f" at {_bytes((after - before) / (until - since))}/s" if until > since and after > before else ""

    def _once(self, mark: str, style: str, what: str, text: str) -> Iterator[Text]:
        key = what if mark == "✓" else text
        if key not in self._lines:
            self._lines.add(key)
            yield Text.assemble("  ", (mark, style), f" {what:<14} {text}")


def _said(live: Object) -> tuple[str, str]:
    """The condition's reason and message."""
    said = relocated(live)
    return str(said.get("reason", "")), str(said.get("message", ""))


def _bytes(count: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}" if count < 10 * size else f"{count / size:.0f} {unit}"
    return f"{count:.0f} B"
