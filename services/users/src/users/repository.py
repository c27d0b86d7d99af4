"""The queries of the table users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from users import database
from users.database import Connection, Pool


@dataclass(frozen=True)
class Person:
    """A row of the table users."""

    id: UUID
    position: int
    name: str
    email: str
    create_time: datetime


COLUMNS = "id, position, name, email, create_time"


class People:
    """Reads and writes the table users, with the rights of the service's own role.

    All statements are idempotent, as the idempotency levels of the contract require, and may be repeated.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def register(self, name: str, email: str) -> tuple[Person, bool]:
        """Return the person with the email address, and whether this call registered them."""
        inserted = await self._first(
            "INSERT INTO users (name, email) VALUES (%s, %s) "
            f"ON CONFLICT (email) DO NOTHING RETURNING {COLUMNS}",
            (name, email),
        )
        if inserted:
            return inserted, True
        earlier = await self._first(f"SELECT {COLUMNS} FROM users WHERE email = %s", (email,))
        if earlier is None:
            raise RuntimeError("an email address disappeared during registration; no query deletes users")
        return earlier, False

    async def get(self, person_id: UUID) -> Person | None:
        """Return the person with this id, or None."""
        return await self._first(f"SELECT {COLUMNS} FROM users WHERE id = %s", (person_id,))

    async def newest(self, before: int | None, most: int) -> Sequence[Person]:
        """Return at most `most` people registered before a position, newest first."""
        return await self._rows(
            f"SELECT {COLUMNS} FROM users WHERE %(before)s::bigint IS NULL OR position < %(before)s "
            "ORDER BY position DESC LIMIT %(most)s",
            {"before": before, "most": most},
        )

    async def _first(self, query: str, values: tuple[object, ...]) -> Person | None:
        return next(iter(await self._rows(query, values)), None)

    async def _rows(self, query: str, values: tuple[object, ...] | dict[str, object]) -> Sequence[Person]:
        async def work(connection: Connection) -> Sequence[Person]:
            async with connection.cursor(row_factory=class_row(Person)) as cursor:
                await cursor.execute(query.encode(), values)
                return await cursor.fetchall()

        return await database.query(self._pool, work)
