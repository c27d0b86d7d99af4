"""Credentials: the Secrets of a service's database roles."""

from freehold.core.credentials.plan import ROLES, plan

__all__ = ["ROLES", "plan"]
