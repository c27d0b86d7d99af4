"""The database of a service: instances, volumes, and the roles of the instances."""

from freehold.core.database.plan import plan

__all__ = ["plan"]
