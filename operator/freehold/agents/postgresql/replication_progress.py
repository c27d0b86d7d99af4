"""How far a move has come: what a door asks both servers and tells the operator.

{"servers": {HOST: {"open": …, "recovery": …, "reachable": …}, …}, "copied": …, "total": …, "lag": …}; the numbers are
bytes, and null where nothing is copied or nothing follows.
"""

from __future__ import annotations

from dataclasses import dataclass

from freehold.agents.postgresql.connection import Connection, LostError, RefusedError, State

PROGRESS = (
    "SELECT sum(backup_streamed),"
    " sum(coalesce(backup_total, (SELECT sum(pg_database_size(oid)) FROM pg_database))),"
    " (SELECT max(pg_wal_lsn_diff(pg_current_wal_flush_lsn(), replay_lsn)) FROM pg_stat_replication"
    "  WHERE usename = 'replicator' AND state = 'streaming')"
    " FROM pg_stat_progress_basebackup"
)
"""The whole of a copy is known where pg_basebackup counted it first; the databases are nearly all of it."""


@dataclass(frozen=True)
class Report:
    """What one server says; numbers are bytes, of the copies that are made of it and the servers that follow it."""

    state: State
    copied: int | None = None
    to_copy: int | None = None
    lag: int | None = None


def progress(link: Connection) -> Report | None:
    try:
        state = link.look()
        if state.recovery:
            return Report(state)
        numbers = (None if value is None else int(value) for value in link.ask(PROGRESS))
        return Report(state, *numbers)
    except (LostError, RefusedError):
        return None


def summary(found: dict[str, Report | None]) -> dict[str, object]:
    """The numbers are those of the server that is copied and followed: the open one, else one that was closed."""
    servers = {
        host: {"open": told.state.is_open, "recovery": told.state.recovery, "reachable": True}
        if told
        else {"open": False, "recovery": False, "reachable": False}
        for host, told in found.items()
    }
    primaries = [told for told in found.values() if told and not told.state.recovery]
    source = max(primaries, key=lambda told: told.state.is_open, default=None)
    numbers = (source.copied, source.to_copy, source.lag) if source else (None, None, None)
    return {"servers": servers, **dict(zip(("copied", "total", "lag"), numbers, strict=True))}
