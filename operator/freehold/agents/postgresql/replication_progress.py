"""Progress of a move, which the database proxy queries from both servers and serves to the operator.

{"servers": {HOST: {"writable": …, "recovery": …, "reachable": …}, …}, "copied": …, "total": …, "lag": …}; the numbers
are bytes: null for "copied" and "total" without a base backup, and for "lag" without a standby.
"""

from __future__ import annotations

from dataclasses import dataclass

from freehold.agents.postgresql.connection import Connection, ConnectionLostError, QueryFailedError, State

PROGRESS_QUERY = (
    "SELECT sum(backup_streamed),"
    " sum(coalesce(backup_total, (SELECT sum(pg_database_size(oid)) FROM pg_database))),"
    " (SELECT max(pg_wal_lsn_diff(pg_current_wal_flush_lsn(), replay_lsn)) FROM pg_stat_replication"
    "  WHERE usename = 'replicator' AND state = 'streaming')"
    " FROM pg_stat_progress_basebackup"
)
"""pg_basebackup reports the total only if told to estimate it first; the databases are nearly all of it."""


@dataclass(frozen=True)
class Report:
    """State of one server. copied, total: bytes of base backups from the server. lag: bytes that its standby lacks."""

    state: State
    copied: int | None = None
    total: int | None = None
    lag: int | None = None


def query(connection: Connection) -> Report | None:
    """Query the state and progress of a server; None if the server is unreachable or refuses."""
    try:
        state = connection.state()
        if state.in_recovery:
            return Report(state)
        copied, total, lag = (None if value is None else int(value) for value in connection.query(PROGRESS_QUERY))
        return Report(state, copied, total, lag)
    except (ConnectionLostError, QueryFailedError, ValueError):  # a ValueError of numbers that are none
        return None


def summary(reports: dict[str, Report | None]) -> dict[str, object]:
    """Return the progress as a JSON object, with the numbers of the writable server, else of a fenced primary."""
    servers = {
        host: {"writable": report.state.is_writable, "recovery": report.state.in_recovery, "reachable": True}
        if report
        else {"writable": False, "recovery": False, "reachable": False}
        for host, report in reports.items()
    }
    primaries = [report for report in reports.values() if report and not report.state.in_recovery]
    source = max(primaries, key=lambda report: report.state.is_writable, default=None)
    numbers = (source.copied, source.total, source.lag) if source else (None, None, None)
    return {"servers": servers, **dict(zip(("copied", "total", "lag"), numbers, strict=True))}
