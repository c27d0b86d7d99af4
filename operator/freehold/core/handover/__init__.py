"""Endpoint handover: the old name of a moved service redirects to another namespace or cluster."""

from freehold.core.handover.plan import CAPABILITY, DNS_TTL, plan

__all__ = ["CAPABILITY", "DNS_TTL", "plan"]
