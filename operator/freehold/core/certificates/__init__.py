"""Certificates of databases and services: issued, judged and renewed."""

from freehold.core.certificates.plan import due, plan, renewal, requests

__all__ = ["due", "plan", "renewal", "requests"]
