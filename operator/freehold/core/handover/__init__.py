"""Handover: the endpoint's name follows a service into another namespace or cluster."""

from freehold.core.handover.plan import CAPABILITY, DNS_TTL, plan

__all__ = ["CAPABILITY", "DNS_TTL", "plan"]
