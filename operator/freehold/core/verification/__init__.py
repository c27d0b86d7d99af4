"""Verification: connection attempts that prove the isolation of a service."""

from freehold.core.verification.plan import AFTER_FAILURE, PERIOD, plan

__all__ = ["AFTER_FAILURE", "PERIOD", "plan"]
