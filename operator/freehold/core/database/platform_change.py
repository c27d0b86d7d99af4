"""Changes of the platform to a database server: another server image, another start script, another Freehold.

Such a change concerns every database of the cluster and restarts each, so databases take turns (`turn.py`). The
StatefulSet records what tells such a change from one of the service's owner, and the time of the last one: until the
StatefulSet's controller reports the new revision as current, which needs a ready pod, the change is under way. A server
that was down before a change has no such record, and so delays no other database.
"""

from __future__ import annotations

from datetime import datetime

from freehold.core.database.instance import Instance
from freehold.core.model.quantities import timestamp
from freehold.core.model.resources import Object
from freehold.core.objects import meta


def recorded(body: Object, declared: str, instance: Instance, now: datetime) -> Object:
    """Return the StatefulSet with the record of its last change.

    declared: a digest of what the Microservice declares about the server.
    """
    hashes = {meta.DECLARED_HASH: declared, meta.TEMPLATE_HASH: meta.digest(body["spec"]["template"])}
    body = {**body, "metadata": {**body["metadata"], "annotations": hashes}}
    live = instance.server or {"metadata": {}}
    changed_at = _annotations(live).get(meta.PLATFORM_CHANGE_AT)
    if _annotations(live).get(meta.TEMPLATE_HASH) != hashes[meta.TEMPLATE_HASH] and under_way_since(live) is None:
        due = is_by_platform(live, body) and instance.is_ready
        changed_at = timestamp(now) if due else None
    if changed_at:
        hashes[meta.PLATFORM_CHANGE_AT] = changed_at
    return body


def is_by_platform(live: Object, body: Object) -> bool:
    """Return whether the pod template changes although the Microservice declares the same.

    Without an earlier record the server is of an earlier release, and the change is the platform's.
    """
    known, wanted = _annotations(live), _annotations(body)
    if meta.APPLIED_HASH not in known:
        return False
    same = known.get(meta.DECLARED_HASH, wanted[meta.DECLARED_HASH]) == wanted[meta.DECLARED_HASH]
    return same and known.get(meta.TEMPLATE_HASH) != wanted[meta.TEMPLATE_HASH]


def under_way_since(live: Object) -> datetime | None:
    """Return the time of a change of the platform after which the server is not Ready yet; None without one."""
    try:
        changed_at = datetime.fromisoformat(_annotations(live).get(meta.PLATFORM_CHANGE_AT, ""))
    except ValueError:
        return None
    status = live.get("status", {})
    observed = status.get("observedGeneration") == live["metadata"].get("generation")
    complete = observed and status.get("currentRevision") == status.get("updateRevision")
    return None if complete or changed_at.tzinfo is None else changed_at


def _annotations(live: Object) -> dict[str, str]:
    return live["metadata"].get("annotations") or {}
