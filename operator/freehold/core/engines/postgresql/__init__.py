"""The engine PostgreSQL."""

from __future__ import annotations
