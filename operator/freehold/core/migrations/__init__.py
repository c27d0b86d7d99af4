"""Migrations: a Job for the schema before a rollout."""

from freehold.core.migrations.plan import plan

__all__ = ["plan"]
