"""The steps of a switchover from one server to another, in order, with their time limits.

`freehold.agents.postgresql.switchover` decides which step may be taken. The source is the old primary, the target its
standby.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from enum import StrEnum
from uuid import uuid4

from freehold.agents.postgresql import losses
from freehold.agents.postgresql.connection import Connection, QueryFailedError
from freehold.core.engines.postgresql import constants

CATCH_UP_SECONDS = 60.0
MAX_LAG = 4 * 1024 * 1024
"""Bytes of WAL that the target may have to replay when the source is fenced: some tens of milliseconds."""
CHECKPOINT_SECONDS = 120.0
REPLAY_SECONDS = 3.0
"""From fencing the source until the target has replayed the switchover marker; then the source is unfenced."""
PROMOTION_SECONDS = 5.0
"""For a promotion after its request: a target that is promoted and not used must be copied anew."""
POLL_SECONDS = 0.002
LAST_ANSWER_SECONDS = 0.25
"""Minimum time for the last answer, to tell a server that is late from a server that hangs."""

IDENTITY_QUERY = "SELECT system_identifier FROM pg_control_system()"
SESSIONS_QUERY = (
    f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{constants.DATABASE}' AND backend_type = 'client backend'"
)
MARKER_QUERY = "SELECT marker FROM freehold.switchover_marker"
SMALL_LAG_QUERY = (
    f"SELECT pg_wal_lsn_diff($1::pg_lsn, pg_last_wal_replay_lsn()) < {MAX_LAG}::numeric"
    " FROM pg_stat_wal_receiver WHERE status = 'streaming'"
)
REPLAYED_QUERY = (
    "SELECT EXISTS (SELECT FROM freehold.switchover_marker WHERE marker = $1::text) AND NOT datallowconn"
    f" FROM pg_database WHERE datname = '{constants.DATABASE}'"
)


class Step(StrEnum):
    """The next step; the first word of each line that a switchover logs."""

    CONNECTING = "connecting"
    PREPARING = "preparing"
    FENCING = "fencing"
    TERMINATING = "terminating"
    MARKING = "marking"
    CONFIRMING = "confirming"
    PROMOTING = "promoting"
    UNFENCING = "unfencing"
    REVERTING = "reverting"
    DONE = "done"


class StepTimeoutError(Exception):
    """A server did not complete a step in time."""


@dataclass
class Pair:
    """The server to fence, and the standby to promote and unfence."""

    source: Connection
    target: Connection


@dataclass
class Progress:
    """Progress of a run. fenced_at: start of fencing the source, on the monotonic clock. confirmed: whether the target
    has replayed the marker. promoted: whether the target's promotion was requested. replayed: the target's LSN then."""

    fenced_at: float | None = None
    confirmed: bool = False
    promoted: bool = False
    sessions: int = 0
    replayed: str | None = None

    def is_late(self) -> bool:
        return self.fenced_at is not None and time.monotonic() >= self.fenced_at + REPLAY_SECONDS


def log(step: Step, message: str) -> None:
    print(f"{step}: {message}", flush=True)


def prepare(pair: Pair) -> str:
    """Do everything slow while clients are served. Return '' once the target's lag is small and the target has all that
    the source has, else the reason why not.

    Raises ConnectionLostError, QueryFailedError.
    """
    source, target = pair.source, pair.target
    action = f"see the log of {target.host}, then try again"
    log(Step.PREPARING, f"waiting until {target.host} has caught up with {source.host}")
    if not _catches_up(pair):
        return f"{target.host} has not caught up with {source.host} in {CATCH_UP_SECONDS:.0f} s; {action}"
    source.query("SELECT freehold.checkpoint()", timeout=CHECKPOINT_SECONDS)
    if not _catches_up(pair):
        return f"{target.host} fell behind {source.host} during a checkpoint; {action}"
    try:
        lost = losses.query(source)
    except QueryFailedError as error:
        return f"{source.host} does not say what a move would lose: {error}"
    return f"the move would lose {lost}" if lost else ""


def is_copy(pair: Pair) -> bool:
    """Whether the target's data is a copy of the source's, however old. Raises ConnectionLostError."""
    return pair.source.query(IDENTITY_QUERY) == pair.target.query(IDENTITY_QUERY)


def _catches_up(pair: Pair) -> bool:
    deadline = time.monotonic() + CATCH_UP_SECONDS
    while time.monotonic() < deadline:
        written = pair.source.value("SELECT pg_current_wal_flush_lsn()")
        if pair.target.value(SMALL_LAG_QUERY, written) == "t":
            return True
        time.sleep(0.1)
    return False


def fence_and_promote(pair: Pair, progress: Progress) -> None:
    """Fence the source, wait until the target has replayed all its WAL, and promote the target, which is still fenced.

    Each step may be repeated, after an earlier run fenced the source. Raises StepTimeoutError, ConnectionLostError.
    """
    source, target = pair.source, pair.target
    progress.sessions = max(progress.sessions, _count(source.value(SESSIONS_QUERY)))
    log(Step.FENCING, f"forbidding new sessions at {source.host}, which has {progress.sessions}")
    progress.fenced_at = progress.fenced_at or time.monotonic()
    deadline = progress.fenced_at + REPLAY_SECONDS
    source.query("SELECT freehold.fence()", timeout=_left(deadline))
    log(Step.TERMINATING, f"terminating the sessions at {source.host}")
    _wait_for(source, deadline, "a session did not end", "SELECT freehold.sessions_terminated()")
    log(Step.MARKING, f"writing the switchover marker at {source.host}")
    marker = source.value("SELECT freehold.write_marker($1::text)", str(uuid4()), timeout=_left(deadline))
    log(Step.CONFIRMING, f"waiting until {target.host} has replayed the switchover marker")
    _wait_for(target, deadline, "the switchover marker was not replayed in time", REPLAYED_QUERY, marker)
    progress.replayed = target.value("SELECT pg_last_wal_replay_lsn()", timeout=_left(deadline))
    progress.confirmed = True
    log(Step.PROMOTING, f"promoting {target.host}")
    progress.promoted = True
    target.query("SELECT pg_promote(false)", timeout=_left(deadline))
    promoted_by = time.monotonic() + PROMOTION_SECONDS
    _wait_for(target, promoted_by, "the promotion did not end in time", "SELECT NOT pg_is_in_recovery()")


def _wait_for(connection: Connection, deadline: float, failure: str, query: str, *parameters: str | None) -> None:
    """Repeat a query until it is true. Polls faster than pg_promote, which polls every 100 ms.

    deadline: on the monotonic clock. failure: the message of StepTimeoutError.
    """
    while connection.value(query, *parameters, timeout=max(LAST_ANSWER_SECONDS, _left(deadline))) != "t":
        if not _left(deadline):
            raise StepTimeoutError(f"{connection.host}: {failure}")
        time.sleep(POLL_SECONDS)


def _count(answer: str | None) -> int:
    return int(answer) if answer and re.fullmatch("[0-9]{1,9}", answer) else 0


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
