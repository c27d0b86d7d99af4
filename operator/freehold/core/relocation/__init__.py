"""Relocation: a database moves to other nodes, another namespace or another cluster."""

from freehold.core.relocation.plan import plan

__all__ = ["plan"]
