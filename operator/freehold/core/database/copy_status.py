"""Progress of the initial copy, as the resource's status shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freehold.core.model.resources import Observed


def copied(last: Mapping[str, Any]) -> dict[str, int]:
    """What was told of the copy, which stays once nobody tells it any more."""
    return {key: last[key] for key in ("copiedBytes", "toCopyBytes") if key in last}


def told(observed: Observed) -> dict[str, int]:
    """What the door tells of the copy, as the status shows it."""
    shown = {"copiedBytes": "copied", "toCopyBytes": "toCopy", "lagBytes": "lag"}
    return {name: observed.door[key] for name, key in shown.items() if observed.door.get(key) is not None}
