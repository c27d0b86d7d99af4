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
    return any(_content(entry) for entry in live["metadata"].get("managedFields", []) if not _is_own(entry))


def disown(live: Object) -> list[Object]:
    """Return the managedFields of an object, with Freehold as the manager of all fields except status.

    The next server-side apply then removes the fields that are not desired.
    """
    entries = live["metadata"].get("managedFields", [])
    taken: Object = {}
    for entry in entries:
        if entry.get("subresource") != "status":
            _merge(taken, entry.get("fieldsV1", {}))
    own = {
        "manager": FIELD_MANAGER,
        "operation": "Apply",
        "apiVersion": live["apiVersion"],
        "fieldsType": "FieldsV1",
        "fieldsV1": taken,
    }
    return [own, *(entry for entry in entries if entry.get("subresource") == "status")]


def _is_own(entry: Object) -> bool:
    return bool(entry["manager"] == FIELD_MANAGER and entry["operation"] == "Apply")


def _content(entry: Object) -> bool:
    if entry.get("subresource") == "status":
        return False
    owned = {k: v for k, v in entry.get("fieldsV1", {}).items() if k not in ("f:metadata", "f:status")}
    return _has_leaf(owned)


def _has_leaf(fields: Object) -> bool:
    """Return whether a FieldsV1 set contains a field other than TOLERATED."""
    for key, value in fields.items():
        if key in (TOLERATED, "."):
            continue
        if not value or _has_leaf(value):
            return True
    return False


def _merge(into: Object, fields: Object) -> None:
    for key, value in fields.items():
        _merge(into.setdefault(key, {}), value)
