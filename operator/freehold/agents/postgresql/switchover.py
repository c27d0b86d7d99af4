"""The switchover: `python3 -m freehold.agents.postgresql.switchover SOURCE TARGET` makes standby TARGET the primary.

The program fences SOURCE, terminates the sessions of clients, waits until TARGET has replayed all WAL, promotes TARGET
and unfences TARGET. If TARGET is late, SOURCE is unfenced again. The program may be killed at any moment and run again:
all state is in the servers' catalogues, and the two servers are never both writable. Only one run at a time is allowed.

The outcome is one line of JSON, the pod's termination message. Exit code 1: the outcome is unknown, run again.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from freehold.agents.postgresql.connection import Connection, ConnectionLostError, QueryFailedError, State
from freehold.agents.postgresql.switchover_steps import (
    CATCH_UP_SECONDS,
    MARKER_QUERY,
    Pair,
    Progress,
    Step,
    StepTimeoutError,
    fence_and_promote,
    is_copy,
    log,
    prepare,
)
from freehold.core.engines.postgresql import constants

ANSWER = Path("/dev/termination-log")
NAME = "freehold-switchover"
DEADLINE_SECONDS = 180.0
PAUSE_SECONDS = 0.5
OTHER_SESSIONS = f"FROM pg_stat_activity WHERE application_name = '{NAME}' AND pid <> pg_backend_pid()"


@dataclass(frozen=True)
class Completed:
    """The target is the writable primary.

    writePauseMs: from just before fencing the source until just after unfencing the target; sessions: terminated
    sessions of clients; both None if an earlier run fenced the source. replayedLsn: the target's LSN before the
    promotion, None if an earlier run promoted.
    """

    writePauseMs: int | None
    replayedLsn: str | None
    sessions: int | None
    outcome: str = "completed"


@dataclass(frozen=True)
class Failed:
    """The source is the writable primary, as before. discard: whether the target must be copied anew, after a promotion
    or for being no copy of the source."""

    message: str
    discard: bool = False
    outcome: str = "failed"


def main() -> None:
    source, target = sys.argv[1:]
    outcome = Switchover(Pair(Connection(source, NAME), Connection(target, NAME))).run()
    if outcome is None:
        sys.exit(1)
    answer = json.dumps(asdict(outcome), separators=(",", ":"))
    print(answer, flush=True)
    ANSWER.write_text(answer)


class Switchover:
    """One run. The attributes say what the run may still do; the servers' states are queried before each step."""

    def __init__(self, pair: Pair) -> None:
        self._pair, self._progress = pair, Progress()
        self._source, self._target = pair.source.host, pair.target.host
        self._deadline = time.monotonic() + DEADLINE_SECONDS
        self._target_deadline = time.monotonic() + CATCH_UP_SECONDS
        self._connected: set[str] = set()
        self._target_was_fenced = False
        """Whether this run saw the target in recovery or the source writable; then only this run may unfence it."""
        self._unfencing_target = False
        """Whether this run requested to unfence the target; then the source stays fenced even without an answer."""
        self._revert_reason = ""
        """Why the source is to be unfenced; after the first attempt the run does nothing else."""
        self._source_was_writable = False
        """Whether this run saw the source writable."""
        self._logged: set[str] = set()

    def run(self) -> Completed | Failed | None:
        """Switch over; None if unknown which server is writable or will be."""
        log(Step.CONNECTING, f"querying the state of {self._source} and {self._target}")
        while time.monotonic() < self._deadline:
            try:
                if outcome := self._next_step():
                    log(Step.DONE, outcome.outcome)
                    return outcome
            except (ConnectionLostError, QueryFailedError) as error:
                self._wait(f"querying the states again after an error: {error}")
        log(Step.DONE, f"the outcome is unknown after {DEADLINE_SECONDS:.0f} s; run again")
        return None

    def _next_step(self) -> Completed | Failed | None:
        """Query both states and act on them; None to query again. Raises ConnectionLostError, QueryFailedError."""
        source, target = self._state(self._pair.source), self._state(self._pair.target)
        self._target_was_fenced |= (source is not None and source.is_writable) or (
            target is not None and target.in_recovery
        )
        if target and target.is_writable:
            return self._on_writable_target(source)
        if self._revert_reason:
            return self._revert(self._revert_reason)
        if target is None:
            return self._on_unreachable_target(source)
        if target.in_recovery:
            return self._on_standby_target(source)
        return self._on_promoted_target(source)

    def _state(self, connection: Connection) -> State | None:
        """Return a server's state; None if unreachable. First, terminate sessions of earlier runs, as a slow server may
        still execute their queries."""
        try:
            while (
                connection.host not in self._connected
                and time.monotonic() < self._deadline
                and connection.query(f"SELECT pg_terminate_backend(pid) {OTHER_SESSIONS}")
            ):
                time.sleep(PAUSE_SECONDS / 10)
            self._connected.add(connection.host)
            return connection.state()
        except ConnectionLostError as error:
            self._log_once(f"cannot reach {error}")
            return None

    def _on_writable_target(self, source: State | None) -> Completed | None:
        if source and source.is_writable:
            self._wait(
                f"{self._source} and {self._target} are both writable, which no switchover does; compare their data, "
                f"then fence the wrong server by ALTER DATABASE {constants.DATABASE} ALLOW_CONNECTIONS false "
                "in database postgres"
            )
            return None
        return self._completed()

    def _on_unreachable_target(self, source: State | None) -> Failed | None:
        if source and source.is_writable:
            if time.monotonic() > self._target_deadline:
                return Failed(f"{self._target} cannot be reached; see its pod, then try again")
            self._wait(f"waiting for {self._target}; {self._source} stays writable")
            return None
        if source and source.is_fenced and self._may_revert() and self._progress.is_late():
            return self._revert(f"{self._target} became unreachable before it was unfenced")
        self._wait(f"waiting for {self._target}, which may be writable already")
        return None

    def _on_standby_target(self, source: State | None) -> Completed | Failed | None:
        if source is None or source.in_recovery:
            cause = "is a standby of another server" if source else "cannot be reached and may be writable"
            self._wait(f"waiting for {self._source}, which {cause}")
            return None
        if source.is_writable:
            self._source_was_writable, self._progress = True, Progress()
            if not is_copy(self._pair):
                return Failed(f"{self._target} holds other data and is not a copy of {self._source}", discard=True)
            if message := prepare(self._pair):
                return Failed(message)
        try:
            fence_and_promote(self._pair, self._progress)
        except StepTimeoutError as error:
            return self._revert(str(error))
        except (ConnectionLostError, QueryFailedError) as error:
            if not self._progress.is_late():
                raise
            return self._revert(str(error))
        return self._unfence_target()

    def _on_promoted_target(self, source: State | None) -> Completed | Failed | None:
        """If this run did not promote: both servers hold the marker of the run that did, unless the source was unfenced
        since, which deletes its marker."""
        if self._progress.confirmed:
            return self._unfence_target()
        if source is None or source.in_recovery:
            self._wait(f"waiting for {self._source}, which an earlier run may have unfenced")
            return None
        if source.is_writable:
            return Failed(
                f"{self._target} was promoted by an earlier run, and {self._source} has been written to since",
                discard=True,
            )
        marker = self._pair.source.query(MARKER_QUERY)
        if marker and marker == self._pair.target.query(MARKER_QUERY):
            return self._unfence_target()
        self._wait(f"{self._target} was promoted without all data of {self._source}, and {self._source} is fenced")
        return None

    def _unfence_target(self) -> Completed:
        log(Step.UNFENCING, f"unfencing {self._target}")
        self._unfencing_target = True
        self._pair.target.query("SELECT freehold.unfence()")
        return self._completed()

    def _completed(self) -> Completed:
        progress = self._progress
        if not (self._source_was_writable and progress.fenced_at):
            return Completed(None, progress.replayed, None)
        pause = round((time.monotonic() - progress.fenced_at) * 1000)
        return Completed(pause, progress.replayed, progress.sessions)

    def _revert(self, reason: str) -> Failed | None:
        """Unfence the source, unless the target may be writable."""
        if not self._may_revert():
            self._wait(f"{reason}; {self._source} stays fenced, as {self._target} may be writable")
            return None
        log(Step.REVERTING, f"unfencing {self._source}: {reason}")
        self._revert_reason, self._progress.confirmed = reason, False
        self._pair.source.query("SELECT freehold.unfence()")
        message = f"{reason}; {self._source} is writable again; see the log of {self._target}, then try again"
        return Failed(message, discard=self._progress.promoted)

    def _may_revert(self) -> bool:
        return self._target_was_fenced and not self._unfencing_target

    def _wait(self, message: str) -> None:
        self._log_once(message)
        time.sleep(PAUSE_SECONDS)

    def _log_once(self, message: str) -> None:
        if message not in self._logged:
            log(Step.CONNECTING, message)
        self._logged.add(message)


if __name__ == "__main__":
    main()
