"""Detection of drift without a write.

An object has drifted if a field of Freehold's was changed or removed, so that the live object does not contain the
desired one; or if another field manager owns fields of the spec
(kubernetes.io/docs/reference/using-api/server-side-apply/#field-management).
"""

from __future__ import annotations

from typing import Any

from freehold.core.model.quantities import as_number
from freehold.core.model.resources import Object
from freehold.kube.client import FIELD_MANAGER

TOLERATED = "f:kubectl.kubernetes.io/restartedAt"
"""Set by `kubectl rollout restart`, which asks for new pods and does not change them."""
MAX_LEVELS = 60
"""The most levels of a set of fields that is written; the deepest field of Freehold's has about fifteen."""
EXACT = frozenset({"NetworkPolicy"})
"""Kinds in which each additional field grants something. Such a field may be Freehold's own by its manager, since
anybody may apply under any manager's name."""
DEFAULTS = {"protocol": "TCP"}
"""The fields that the API server fills in within the spec of EXACT kinds."""


def matches(live: Object, desired: Object) -> bool:
    """Return whether live contains desired and, for an EXACT kind, has no further field in the spec."""
    if desired["kind"] in EXACT and not _equal(live.get("spec"), desired["spec"]):
        return False
    return contains(live, desired)


def _equal(live: Any, desired: Any) -> bool:
    """Return whether live equals desired, with DEFAULTS and without empty lists, which the API server omits."""
    if isinstance(desired, dict) and isinstance(live, dict):
        added = all(DEFAULTS.get(key) == live[key] for key in live.keys() - desired.keys())
        return added and all(
            _equal(live.get(key, [] if value == [] else None), value) for key, value in desired.items()
        )
    if isinstance(desired, list) and isinstance(live, list):
        return len(live) == len(desired) and all(map(_equal, live, desired))
    return bool(live == desired)


def contains(live: Any, desired: Any) -> bool:
    """Return whether live contains desired. Defaults added by the API server are ignored; quantities are compared by
    value."""
    if isinstance(desired, dict):
        known = live if isinstance(live, dict) else {}
        return all(contains(known.get(key), value) for key, value in desired.items())
    if isinstance(desired, list):
        known_items = live if isinstance(live, list) else []
        same_length = len(known_items) == len(desired)
        return same_length and all(map(contains, known_items, desired))
    return live == desired or _same_quantity(live, desired)


def _same_quantity(live: Any, desired: Any) -> bool:
    try:
        return as_number(str(live)) == as_number(str(desired))
    except ValueError:
        return False


def foreign(live: Object) -> bool:
    """Return whether another field manager owns part of the object, metadata and status excepted."""
    if live["kind"] == "PersistentVolumeClaim":
        return False  # the cluster writes the volume's name into its spec
    return bool(foreign_managers(live))


def foreign_managers(live: Object) -> list[str]:
    """Return the other field managers that own part of the object, metadata and status excepted."""
    entries = live["metadata"].get("managedFields", [])
    return [entry["manager"] for entry in entries if not _is_own(entry, live["kind"]) and _content(entry)]


def disown(live: Object) -> list[Object]:
    """Return the managedFields of an object, with Freehold as the manager of all fields except status.

    The next server-side apply then removes the fields that are not desired.
    """
    entries = live["metadata"].get("managedFields", [])
    taken: Object = {}
    for entry in entries:
        if entry.get("subresource") != "status":
            _merge(taken, _fields(entry))
    own = {
        "manager": FIELD_MANAGER,
        "operation": "Apply",
        "apiVersion": live["apiVersion"],
        "fieldsType": "FieldsV1",
        "fieldsV1": taken,
    }
    return [own, *(entry for entry in entries if entry.get("subresource") == "status")]


def _is_own(entry: Object, kind: str) -> bool:
    # Secrets are created without server-side apply, which overwrites an existing object.
    operations = ("Apply", "Update") if kind == "Secret" else ("Apply",)
    return entry.get("manager") == FIELD_MANAGER and entry.get("operation") in operations


def _content(entry: Object) -> bool:
    if entry.get("subresource") == "status":
        return False
    return _has_leaf({k: v for k, v in _fields(entry).items() if k not in ("f:metadata", "f:status")})


def _fields(entry: Object) -> Object:
    """Return the FieldsV1 set of an entry of managedFields; people may write these entries."""
    fields = entry.get("fieldsV1")
    return fields if isinstance(fields, dict) else {}


def _has_leaf(fields: Object) -> bool:
    """Return whether a FieldsV1 set contains a field other than TOLERATED."""
    waiting = [fields]
    while waiting:  # an explicit stack, because a set may be nested deeper than Python's recursion limit
        for key, value in waiting.pop().items():
            if key in (TOLERATED, "."):
                continue
            if not isinstance(value, dict) or not value:
                return True
            waiting.append(value)
    return False


def _merge(into: Object, fields: Object, levels: int = MAX_LEVELS) -> None:
    """Merge a FieldsV1 set into another. Below the last level, a field stands for the fields inside."""
    for key, value in fields.items():
        inner = into.setdefault(key, {})
        if levels and isinstance(value, dict):
            _merge(inner, value, levels - 1)
