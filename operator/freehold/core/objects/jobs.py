"""Jobs: how one ended."""

from __future__ import annotations

from datetime import datetime

from freehold.core.model.resources import Object


def ended(job: Object | None) -> datetime | None:
    """When a Job ended, one way or the other."""
    ends = (c for c in (job or {}).get("status", {}).get("conditions", []) if c["type"] in ("Complete", "Failed"))
    return next((datetime.fromisoformat(c["lastTransitionTime"]) for c in ends if c["status"] == "True"), None)


def finished(job: Object | None, outcome: str) -> bool:
    """Whether a Job ended so: `Complete` or `Failed`."""
    conditions = job.get("status", {}).get("conditions", []) if job else []
    return any(c["type"] == outcome and c["status"] == "True" for c in conditions)
