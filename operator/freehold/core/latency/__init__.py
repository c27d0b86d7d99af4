"""Latency budgets: the call graph, and whether every path fits into the budget promised."""

from freehold.core.latency.plan import plan

__all__ = ["plan"]
