"""The switch: makes the server that follows another the one that is open. `python3 -m freehold.agents.postgresql.switchover FROM TO`

It closes FROM, ends the sessions there, has TO show the last thing that was written, promotes TO and opens it. It may
be killed at any moment and run again, for every step is a change in a server's log and is read from there: never are
both open. If TO does not show the last thing in time, FROM is opened again. Its answer, one line of JSON, is the pod's
termination message. It ends with 1 where it cannot know: then it is to be run again. One runs at a time.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from freehold.agents.postgresql.connection import Connection, LostError, RefusedError, State
from freehold.agents.postgresql.switchover_steps import (
    CATCH_UP_SECONDS,
    MARK,
    LateError,
    Pair,
    Progress,
    Step,
    cede,
    is_copy,
    prepare,
    tell,
)
from freehold.core.engines.postgresql import constants

ANSWER = Path("/dev/termination-log")
NAME = "freehold-switch"
DEADLINE_SECONDS = 180.0
PAUSE_SECONDS = 0.5
OTHERS = f"FROM pg_stat_activity WHERE application_name = '{NAME}' AND pid <> pg_backend_pid()"


@dataclass(frozen=True)
class Promoted:
    """writePauseMs: from just before FROM was closed to just after TO was open. It and sessions, those that were ended, are
    None where FROM was closed by an earlier run, and lastByte where that run saw it."""

    writePauseMs: int | None
    lastByte: str | None
    sessions: int | None
    outcome: str = "moved"


@dataclass(frozen=True)
class NotPromoted:
    """FROM is open as before. discard: TO was promoted, or is no copy of FROM, and has to be made anew."""

    said: str
    discard: bool = False
    outcome: str = "kept"


def main() -> None:
    source, target = sys.argv[1:]
    outcome = Switchover(Pair(Connection(source, NAME), Connection(target, NAME))).run()
    if outcome is None:
        sys.exit(1)
    answer = json.dumps(asdict(outcome), separators=(",", ":"))
    print(answer, flush=True)
    ANSWER.write_text(answer)


class Switchover:
    """One run. What it remembers says what it may still do; what is the case is asked of the servers each time."""

    def __init__(self, pair: Pair) -> None:
        self._pair, self._progress = pair, Progress()
        self._from, self._to = pair.source.host, pair.target.host
        self._deadline = time.monotonic() + DEADLINE_SECONDS
        self._patience = time.monotonic() + CATCH_UP_SECONDS
        self._reached: set[str] = set()
        self._unopened = False
        """Whether this run saw that nobody had opened TO: it was in recovery, or FROM open. Then only this run may."""
        self._opening = False
        """Whether this run asked TO to open: then FROM stays closed, whatever becomes of the answer."""
        self._giving_back = ""
        """Why FROM is to be opened again; once that was tried, nothing else will be."""
        self._whole = False
        """Whether this run found FROM open."""
        self._said: set[str] = set()

    def run(self) -> Promoted | NotPromoted | None:
        """None where it is not known which of the two is open, or will be."""
        tell(Step.REACHING, f"asks {self._from} and {self._to} how they are")
        while time.monotonic() < self._deadline:
            try:
                if outcome := self._go_on():
                    tell(Step.DONE, outcome.outcome)
                    return outcome
            except (LostError, RefusedError) as error:
                self._wait(f"looks again, for {error}")
        tell(Step.DONE, f"the outcome is not known after {DEADLINE_SECONDS:.0f} s; this is to be run again")
        return None

    def _go_on(self) -> Promoted | NotPromoted | None:
        """One look at both and what follows from it; None to look again. Raises LostError, RefusedError."""
        source, target = self._seen(self._pair.source), self._seen(self._pair.target)
        self._unopened |= (source is not None and source.is_open) or (target is not None and target.recovery)
        if target and target.is_open:
            return self._target_is_open(source)
        if self._giving_back:
            return self._give_back(self._giving_back)
        if target is None:
            return self._target_is_away(source)
        if target.recovery:
            return self._target_follows(source)
        return self._target_is_promoted(source)

    def _seen(self, link: Connection) -> State | None:
        """None where it cannot be reached. What an earlier run asked a slow server for may be under way there still:
        before the first look, all of that is ended."""
        try:
            while link.host not in self._reached and link.ask(f"SELECT pg_terminate_backend(pid) {OTHERS}"):
                time.sleep(PAUSE_SECONDS / 10)
            self._reached.add(link.host)
            return link.look()
        except LostError as error:
            self._say(f"cannot reach {error}")
            return None

    def _target_is_open(self, source: State | None) -> Promoted | None:
        if source and source.is_open:
            self._wait(
                f"{self._from} and {self._to} are both open, which no switch does: compare what they hold, and close "
                f"the wrong one by ALTER DATABASE {constants.DATABASE} ALLOW_CONNECTIONS false in database postgres"
            )
            return None
        return self._moved()

    def _target_is_away(self, source: State | None) -> NotPromoted | None:
        if source and source.is_open:
            if time.monotonic() > self._patience:
                return NotPromoted(f"{self._to} cannot be reached; see its pod, then try again")
            self._wait(f"waits for {self._to}; {self._from} stays open")
            return None
        if source and source.is_closed and self._may_give_back() and self._progress.is_late():
            return self._give_back(f"{self._to} was lost before it was open")
        self._wait(f"waits for {self._to}, which may be open already")
        return None

    def _target_follows(self, source: State | None) -> Promoted | NotPromoted | None:
        if source is None or source.recovery:
            self._wait(f"waits for {self._from}: " + ("it follows another server" if source else "it may be open"))
            return None
        if source.is_open:
            self._whole, self._progress = True, Progress()
            if not is_copy(self._pair):
                return NotPromoted(f"{self._to} holds other data, and is no copy of {self._from}", discard=True)
            if said := prepare(self._pair):
                return NotPromoted(f"{said}; see the log of {self._to}, then try again")
        try:
            cede(self._pair, self._progress)
        except LateError as error:
            return self._give_back(str(error))
        except (LostError, RefusedError) as error:
            if not self._progress.is_late():
                raise
            return self._give_back(str(error))
        return self._open()

    def _target_is_promoted(self, source: State | None) -> Promoted | NotPromoted | None:
        """Both show the mark of the switch that promoted TO, unless FROM was opened since: opening erases it."""
        if self._progress.sealed:
            return self._open()
        if source is None or source.recovery:
            self._wait(f"waits for {self._from}, which may have been opened again by an earlier run")
            return None
        if source.is_open:
            return NotPromoted(
                f"{self._to} was promoted by an earlier run, and {self._from} has gone on since", discard=True
            )
        mark = self._pair.source.ask(MARK)
        if mark and mark == self._pair.target.ask(MARK):
            return self._open()
        self._wait(f"{self._to} was promoted without all that {self._from} holds, and {self._from} is closed")
        return None

    def _open(self) -> Promoted:
        tell(Step.OPENING, f"{self._to} lets clients in")
        self._opening = True
        self._pair.target.ask("SELECT freehold.open()")
        return self._moved()

    def _moved(self) -> Promoted:
        progress = self._progress
        if not (self._whole and progress.closed):
            return Promoted(None, progress.last_byte, None)
        pause = round((time.monotonic() - progress.closed) * 1000)
        return Promoted(pause, progress.last_byte, progress.sessions)

    def _give_back(self, why: str) -> NotPromoted | None:
        if not self._may_give_back():
            self._wait(f"{why}; {self._from} stays closed, for {self._to} may be open")
            return None
        tell(Step.REOPENING, f"{self._from} lets clients in again, for {why}")
        self._giving_back, self._progress.sealed = why, False
        self._pair.source.ask("SELECT freehold.open()")
        said = f"{why}; {self._from} is open again. See the log of {self._to}, then try again"
        return NotPromoted(said, discard=self._progress.promoted)

    def _may_give_back(self) -> bool:
        return self._unopened and not self._opening

    def _wait(self, said: str) -> None:
        self._say(said)
        time.sleep(PAUSE_SECONDS)

    def _say(self, said: str) -> None:
        """Each thing is said once."""
        if said not in self._said:
            tell(Step.REACHING, said)
        self._said.add(said)


if __name__ == "__main__":
    main()
