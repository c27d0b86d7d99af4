"""The queries."""

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

    Each query may be made twice, as the contract says of each method by its idempotency level.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def register(self, name: str, email: str) -> tuple[Person, bool]:
        """The person who has the email address, and whether this call registered them."""
        inserted = await self._first(
            "INSERT INTO users (name, email) VALUES (%s, %s) "
            f"ON CONFLICT (email) DO NOTHING RETURNING {COLUMNS}",
            (name, email),
        )
        if inserted:
            return inserted, True
        earlier = await self._first(f"SELECT {COLUMNS} FROM users WHERE email = %s", (email,))
        if earlier is None:
            raise RuntimeError("an email address was taken and then free again; nothing here deletes users")
        return earlier, False

    async def get(self, person_id: UUID) -> Person | None:
        """The person with this id."""
        return await self._first(f"SELECT {COLUMNS} FROM users WHERE id = %s", (person_id,))

    async def newest(self, before: int | None, most: int) -> Sequence[Person]:
        """At most so many people registered before that position, the newest first."""
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
