"""The database: one server of its own for each service, on a volume of its own."""

from freehold.core.database.plan import plan

__all__ = ["plan"]
