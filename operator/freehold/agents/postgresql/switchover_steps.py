"""The steps by which one server hands over to another, in their order, and the bounds they keep.

None of them decides whether it may be taken: `freehold.agents.postgresql.switchover` does.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum
from uuid import uuid4

from freehold.agents.postgresql.connection import Connection
from freehold.core.engines.postgresql import constants

CATCH_UP_SECONDS = 60.0
CLOSELY = 4 * 1024 * 1024
"""Bytes of the log that are written and not replayed yet, when FROM is closed: some tens of milliseconds."""
CHECKPOINT_SECONDS = 120.0
LAST_BYTE_SECONDS = 3.0
"""From closing FROM until TO shows all that was written; after that, FROM is opened again."""
PROMOTION_SECONDS = 5.0
"""For a promotion that was asked for: taken back, it leaves a server that is good for nothing."""
GLANCE_SECONDS = 0.002
LAST_ANSWER_SECONDS = 0.25
"""For the last answer, at least: a server that says no until the end is late, and not silent."""

IDENTITY = "SELECT system_identifier FROM pg_control_system()"
SESSIONS = (
    f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{constants.DATABASE}' AND backend_type = 'client backend'"
)
MARK = "SELECT mark FROM freehold.sealed"


class Step(StrEnum):
    """What is done next; each line that a switch prints begins with one."""

    REACHING = "reaching"
    PREPARING = "preparing"
    CLOSING = "closing"
    DRAINING = "draining"
    SEALING = "sealing"
    CONFIRMING = "confirming"
    PROMOTING = "promoting"
    OPENING = "opening"
    REOPENING = "reopening"
    DONE = "done"


class LateError(Exception):
    """A server did not do its part in time."""


@dataclass
class Pair:
    """The server that is to be closed, and the one that is to be opened."""

    source: Connection
    target: Connection


@dataclass
class Progress:
    """How far a run came. closed: when it began to close FROM, on the monotonic clock. sealed: whether TO was seen to
    hold all that FROM had when it was closed. promoted: whether TO was asked to become a primary."""

    closed: float | None = None
    sealed: bool = False
    promoted: bool = False
    sessions: int = 0
    last_byte: str | None = None

    def is_late(self) -> bool:
        return self.closed is not None and time.monotonic() >= self.closed + LAST_BYTE_SECONDS


def tell(step: Step, said: str) -> None:
    print(f"{step}: {said}", flush=True)


def prepare(pair: Pair) -> str:
    """All that takes time, while clients are served: '' once TO follows closely, else why not. Raises LostError."""
    source, target = pair.source, pair.target
    tell(Step.PREPARING, f"waits until {target.host} follows {source.host} closely")
    if not _follows(pair):
        return f"{target.host} does not follow {source.host} closely"
    source.ask("SELECT freehold.checkpoint()", CHECKPOINT_SECONDS)
    return "" if _follows(pair) else f"{target.host} lost {source.host} during a checkpoint"


def is_copy(pair: Pair) -> bool:
    """Whether the data of TO came from the server that is FROM, at some time. Raises LostError."""
    return pair.source.ask(IDENTITY) == pair.target.ask(IDENTITY)


def _follows(pair: Pair) -> bool:
    until = time.monotonic() + CATCH_UP_SECONDS
    while time.monotonic() < until:
        (written,) = pair.source.ask("SELECT pg_current_wal_flush_lsn()")
        found = pair.target.ask(
            f"SELECT pg_wal_lsn_diff('{written}', pg_last_wal_replay_lsn()) < {CLOSELY} "
            "FROM pg_stat_wal_receiver WHERE status = 'streaming'"
        )
        if found == ("t",):
            return True
        time.sleep(0.1)
    return False


def cede(pair: Pair, progress: Progress) -> None:
    """Close FROM, see all it holds on TO, and make TO a primary, which is as closed. Where FROM is closed already, each
    step finds its work done. Raises LateError, LostError."""
    source, target = pair.source, pair.target
    progress.sessions = max(progress.sessions, int(source.ask(SESSIONS)[0] or 0))
    tell(Step.CLOSING, f"{source.host} lets no new session in; {progress.sessions} are there")
    progress.closed = progress.closed or time.monotonic()
    until = progress.closed + LAST_BYTE_SECONDS
    source.ask("SELECT freehold.close()", _left(until))
    tell(Step.DRAINING, f"ends the sessions at {source.host}")
    _wait_for(source, "SELECT freehold.drained()", until, "a session did not end")
    tell(Step.SEALING, f"writes the last thing at {source.host}")
    (mark,) = source.ask(f"SELECT freehold.seal('{uuid4()}')", _left(until))
    tell(Step.CONFIRMING, f"waits until {target.host} shows it")
    shown = f"EXISTS (SELECT FROM freehold.sealed WHERE mark = '{mark}')"
    closed = f"NOT datallowconn FROM pg_database WHERE datname = '{constants.DATABASE}'"
    _wait_for(target, f"SELECT {shown} AND {closed}", until, "it does not show the last thing that was written")
    (progress.last_byte,) = target.ask("SELECT pg_last_wal_replay_lsn()", _left(until))
    progress.sealed = True
    tell(Step.PROMOTING, f"makes {target.host} a primary")
    progress.promoted = True
    target.ask("SELECT pg_promote(false)", _left(until))
    late = time.monotonic() + PROMOTION_SECONDS
    _wait_for(target, "SELECT NOT pg_is_in_recovery()", late, "it was not promoted in time")


def _wait_for(link: Connection, question: str, until: float, otherwise: str) -> None:
    """until: on the monotonic clock. pg_promote itself would look every 100 ms only."""
    while link.ask(question, max(LAST_ANSWER_SECONDS, _left(until))) != ("t",):
        if not _left(until):
            raise LateError(f"{link.host}: {otherwise}")
        time.sleep(GLANCE_SECONDS)


def _left(until: float) -> float:
    return max(0.0, until - time.monotonic())
