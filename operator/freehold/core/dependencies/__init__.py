"""Dependencies: the services that a service calls, their addresses and their consent."""

from freehold.core.dependencies.plan import plan

__all__ = ["plan"]
