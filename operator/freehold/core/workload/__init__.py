"""The workload: a service's pods and the Service in front of them."""

from freehold.core.workload.plan import plan

__all__ = ["plan"]
