"""Freehold: a database server of its own, an endpoint with a stable name and enforced walls for every service."""
