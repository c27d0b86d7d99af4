"""Latency budgets: the call graph, and comparison of budgets along paths."""

from freehold.core.latency.plan import plan

__all__ = ["plan"]
