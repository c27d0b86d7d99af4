"""Progress of a move: one line for each completed step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from rich.text import Text

from freehold.core.model import remote
from freehold.core.model.conditions import Reason
from freehold.core.model.resources import Object
from freehold.core.objects import meta
from freehold.views import move

STEPS = (Reason.INITIAL_COPY, Reason.CATCHING_UP, Reason.MOVING_PODS, Reason.SWITCHING_OVER, Reason.RELOCATED)
"""The steps in order; a move may wait before each."""
WAITS: dict[str, str] = {
    Reason.MOVE_PAUSED: "paused before the next step",
    Reason.WAITING_FOR_MIGRATIONS: "until the migrations are applied",
}
STOPPED: dict[str, str] = {
    Reason.MOVE_BLOCKED: "blocked",
    Reason.SWITCHOVER_FAILED: "not switched",
    Reason.MOVE_TIMED_OUT: "timed out",
    Reason.CLUSTER_UNKNOWN: "unreachable",
}
NEEDS_A_PERSON = "put right"
"""Part of the message of a step that waits for a correction (core/relocation/initial_copy.py)."""
CHECKED = "storage class, permissions, database"


@dataclass
class Progress:
    """The lines of a move, each once. again: the command line without options, for hints."""

    again: str
    _printed: set[str] = field(default_factory=set)
    _steps: set[str] = field(default_factory=set)
    _copied: list[tuple[float, int]] = field(default_factory=list)
    """Seconds and copied bytes: the first and the last observation."""

    def lines(self, live: Object, now: float) -> Iterator[Text]:
        """The new lines. now: seconds of a monotonic clock."""
        record, stopped = move.recorded(live), move.succeeded(live) is False
        self._note(record, now)
        for label, text in self._completed(record, ended=move.succeeded(live) is True):
            yield from self._once("✓", "green", label, text)
        yield from self._waiting(live)
        if stopped:
            reason, message = _condition(live)
            yield from self._once("✗", "bold red", STOPPED.get(reason, reason), message)
            if move.is_under_way(live) and "--abort" not in message:
                yield Text(f"    {self.again} --abort cancels the move")
        if move.step(live) == Reason.RELOCATED and "rollbackUntil" in record:
            until = datetime.fromisoformat(record["rollbackUntil"]).astimezone()
            yield from self._once("…", "dim", "rollback", f"possible until {until:%H:%M} ({self.again} --rollback)")

    def current(self, live: Object) -> str:
        """The current step, as a line that is replaced by the next one."""
        return f"{_condition(live)[1]}{self._rate()}"

    def _waiting(self, live: Object) -> Iterator[Text]:
        """The cause of a wait. A pause without its annotation is already lifted."""
        reason, message = _condition(live)
        if reason == Reason.MOVE_PAUSED:
            if meta.MOVE in live["metadata"].get("annotations", {}):
                yield from self._once("…", "yellow", "waits", f"{WAITS[reason]} ({self.again} --resume)")
        elif reason in WAITS or (move.succeeded(live) is None and NEEDS_A_PERSON in message):
            yield from self._once("…", "yellow", "waits", WAITS.get(reason, message))

    def _completed(self, record: Object, *, ended: bool) -> Iterator[tuple[str, str]]:
        """Label and text of each completed step, in order."""
        step = record.get("step", "")
        if ended and step != Reason.RELOCATED:
            yield "in place", "the service runs where spec.placement declares"
            return
        namespace = record.get("to", {}).get("namespace", "")
        if not namespace:
            yield from self._within_namespace(record, step)
        elif namespace != record["from"].get("namespace"):
            yield from self._to_namespace(record, step, remote.describe(namespace))

    def _within_namespace(self, record: Object, step: str) -> Iterator[tuple[str, str]]:
        if step in STEPS:
            yield "checked", CHECKED
        yield from self._data(record, step)
        if Reason.MOVING_PODS in _before(step) and Reason.MOVING_PODS in self._steps:
            yield "pods moved", "new pods serve at the destination"
        if "writePauseMs" in record or step == Reason.RELOCATED:
            yield "switched over", _pause(record)

    def _to_namespace(self, record: Object, step: str, destination: str) -> Iterator[tuple[str, str]]:
        if step in STEPS:
            yield "checked", f"the Microservice in {destination} replaces this one"
        yield from self._data(record, step)
        if "writePauseMs" in record:
            yield "switched over", _pause(record)
        if step == Reason.RELOCATED:
            yield "pods moved", f"new pods serve in {destination}"
            yield "redirected", "the previous endpoint leads to the new pods"

    def _data(self, record: Object, step: str) -> Iterator[tuple[str, str]]:
        """The steps of the initial copy; a rollback has none."""
        if Reason.INITIAL_COPY in _before(step) and "copiedBytes" in record:
            yield "copied", f"{_bytes(record['copiedBytes'])}{self._rate()}"
        if Reason.CATCHING_UP in _before(step) and "copiedBytes" in record:
            yield "caught up", f"lag {_bytes(record.get('lagBytes', 0))}"

    def _note(self, record: Object, now: float) -> None:
        """Note the step, and the copied bytes for the rate."""
        self._steps.add(record.get("step", ""))
        if record.get("step") == Reason.INITIAL_COPY and record.get("copiedBytes"):
            self._copied = [*self._copied[:1], (now, record["copiedBytes"])]

    def _rate(self) -> str:
        """The rate of the copy during the observation, with ` at ` before; empty if unknown."""
        if len(self._copied) < 2:
            return ""
        (since, before), (until, after) = self._copied
        return f" at {_bytes((after - before) / (until - since))}/s" if until > since and after > before else ""

    def _once(self, mark: str, style: str, label: str, text: str) -> Iterator[Text]:
        """A line, unless printed before; a completed step counts by its label."""
        key = label if mark == "✓" else text
        if key not in self._printed:
            self._printed.add(key)
            yield Text.assemble("  ", (mark, style), f" {label:<14} {text}")


def _before(step: str) -> tuple[str, ...]:
    """The steps before a step; none for an unknown step."""
    return STEPS[: STEPS.index(Reason(step))] if step in STEPS else ()


def _condition(live: Object) -> tuple[str, str]:
    """Reason and message of condition Relocated."""
    condition = move.condition(live)
    return str(condition.get("reason", "")), str(condition.get("message", ""))


def _pause(record: Object) -> str:
    return f"writes paused {record.get('writePauseMs', 0) / 1000:.2f} s"


def _bytes(count: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}" if count < 10 * size else f"{count / size:.0f} {unit}"
    return f"{count:.0f} B"
