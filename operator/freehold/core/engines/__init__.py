"""Database engines, each behind one interface."""

from __future__ import annotations

from freehold.api.v1alpha1.database import Database
from freehold.core.engines.base import Engine, New, Replica, Roles, Source
from freehold.core.engines.postgresql.engine import PostgreSQL

__all__ = ["Engine", "New", "Replica", "Roles", "Source", "describe", "of"]
ENGINES: tuple[Engine, ...] = (PostgreSQL(),)


def of(database: Database) -> Engine:
    """Return the engine of a database."""
    return next(engine for engine in ENGINES if engine.name == database.engine)


def describe(database: Database | None) -> str:
    """Return the engine and major version of a database, like `PostgreSQL 15`; empty without a database."""
    return f"{of(database).title} {database.version}" if database else ""
