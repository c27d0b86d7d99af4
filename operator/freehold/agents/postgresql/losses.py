"""What a move would lose: what physical copying or a promotion leaves behind (`freehold.losses` in roles.sql)."""

from __future__ import annotations

from freehold.agents.postgresql.connection import Connection

QUERY = "SELECT string_agg(name, ', ') FROM (SELECT * FROM freehold.losses() AS name LIMIT 20) AS first"
LONGEST = 500
"""Characters of the names that are repeated; the server may be another tenant's."""


def query(connection: Connection) -> str:
    """Return the names of what a move from a primary would lose; empty if nothing. Raises ConnectionLostError,
    QueryFailedError, as for a fenced server."""
    return "".join(filter(str.isprintable, connection.value(QUERY) or ""))[:LONGEST]
