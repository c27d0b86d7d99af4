"""Dependencies: the consumed services, with addresses, call policy and consent."""

from freehold.core.dependencies.plan import plan

__all__ = ["plan"]
