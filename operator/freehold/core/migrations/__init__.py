"""Migrations: a Job that brings the schema up to date before the rollout."""

from freehold.core.migrations.plan import plan

__all__ = ["plan"]
