"""Isolation: network policies, audit mode, and reachability as declared."""

from freehold.core.isolation.plan import plan

__all__ = ["plan"]
