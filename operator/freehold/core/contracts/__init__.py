"""Contracts: the gRPC API of each image, read from the image, published, and compared before a rollout."""

from freehold.core.contracts.plan import CAPABILITY, plan

__all__ = ["CAPABILITY", "plan"]
