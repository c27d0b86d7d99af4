"""PostgreSQL: how a server of it is started, reached and moved."""

from __future__ import annotations
