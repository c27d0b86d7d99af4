"""Progress of the initial copy, as the resource's status shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freehold.core.model.resources import Observed


def last_reported(last: Mapping[str, Any]) -> dict[str, int]:
    """What was told of the copy, which stays once nobody tells it any more."""
    return {key: last[key] for key in ("copiedBytes", "totalBytes") if key in last}


def reported(observed: Observed) -> dict[str, int]:
    """What the door tells of the copy, as the status shows it."""
    shown = {"copiedBytes": "copied", "totalBytes": "total", "lagBytes": "lag"}
    return {
        name: observed.copy_progress[key] for name, key in shown.items() if observed.copy_progress.get(key) is not None
    }
