"""The queries of the table notes, with the rights of the service's own role."""

from __future__ import annotations

from psycopg import AsyncConnection

from .database import Pool, retry

PUT = """
INSERT INTO notes (id, text) VALUES (%s, %s)
ON CONFLICT (id) DO UPDATE SET text = excluded.text, update_time = now()
"""
GET = "SELECT text FROM notes WHERE id = %s"


class Store:
    """Reads and writes notes. All statements are idempotent and may be repeated."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def put(self, note_id: str, text: str) -> None:
        """Store a note, and replace one with the same id."""
        await retry(self._pool, lambda connection: connection.execute(PUT, (note_id, text)))

    async def get(self, note_id: str) -> str | None:
        """Return the text of a note, or None."""

        async def work(connection: AsyncConnection) -> str | None:
            row = await (await connection.execute(GET, (note_id,))).fetchone()
            return row[0] if row else None

        return await retry(self._pool, work)
