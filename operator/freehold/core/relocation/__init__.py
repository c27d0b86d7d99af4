"""Relocation: a service moves with the data to other nodes, another namespace or another cluster."""

from freehold.core.relocation.plan import plan

__all__ = ["plan"]
