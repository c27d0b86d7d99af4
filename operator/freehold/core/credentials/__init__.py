"""Credentials: the Secrets of a service's database roles."""

from freehold.core.credentials.plan import plan

__all__ = ["plan"]
