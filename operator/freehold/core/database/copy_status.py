"""Progress of the initial copy, as fields of `status.move`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freehold.core.model.resources import Observed

FIELDS = {"copiedBytes": "copied", "totalBytes": "total", "lagBytes": "lag"}
"""Fields of `status.move`, and the values of the database proxy (`Observed.copy_progress`) they show."""


def last_reported(last: Mapping[str, Any]) -> dict[str, int]:
    """Return the byte counts of the last status, which remain when the database proxy no longer reports."""
    return {key: last[key] for key in ("copiedBytes", "totalBytes") if key in last}


def reported(observed: Observed) -> dict[str, int]:
    """Return the byte counts that the database proxy reports at present."""
    progress = observed.copy_progress
    return {field: progress[key] for field, key in FIELDS.items() if progress.get(key) is not None}
