"""Exposure: a GRPCRoute for callers outside the cluster."""

from freehold.core.exposure.plan import plan

__all__ = ["plan"]
