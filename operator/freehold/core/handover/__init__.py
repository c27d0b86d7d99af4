"""Handover: the endpoint's name follows a service into another namespace or cluster."""

from freehold.core.handover.plan import CAPABILITY, TOLD, plan

__all__ = ["CAPABILITY", "TOLD", "plan"]
